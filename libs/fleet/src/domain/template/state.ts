import { canonicalJson, type EventOf } from '#kernel';
import { without } from '../without.js';
import type { templateEvents } from './events.js';

export type TemplateEvent = EventOf<(typeof templateEvents)[number]>;

export interface Assignment {
  readonly assignment_id: string;
  readonly module_name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly priority: number;
  readonly enabled: boolean;
  /** Why it is suspended; null while it is in force. */
  readonly suspended: string | null;
}

export interface LiveTemplate {
  readonly kind: 'live';
  readonly templateId: string;
  readonly name: string;
  /** Names it bore before: a rename that died half way still has to give one back. */
  readonly formerNames: readonly string[];
  readonly description: string;
  readonly driver: string | null;
  /** By module name: a template carries a module at most once. */
  readonly assignments: Readonly<Record<string, Assignment>>;
  /** Counts the stream's events, so that an instance can tell an older view of the template from a newer one. */
  readonly version: number;
}

export type TemplateState =
  | { readonly kind: 'absent' }
  | LiveTemplate
  | { readonly kind: 'deleted'; readonly templateId: string; readonly name: string; readonly version: number };

export const noTemplate: TemplateState = { kind: 'absent' };

export const evolveTemplate = (state: TemplateState, event: TemplateEvent): TemplateState => {
  if (event.type === 'system.template.created') {
    const { template_id, name, description, driver } = event.data;
    return {
      kind: 'live',
      templateId: template_id,
      name,
      formerNames: [],
      description,
      driver,
      assignments: {},
      version: 1,
    };
  }
  if (state.kind !== 'live') return state;
  const next = { ...state, version: state.version + 1 };
  switch (event.type) {
    case 'system.template.updated': {
      const { name, description, driver } = event.data;
      return {
        ...next,
        name: name ?? state.name,
        formerNames:
          name === undefined || name === state.name
            ? state.formerNames
            : [...state.formerNames.filter((former) => former !== name && former !== state.name), state.name],
        description: description ?? state.description,
        driver: driver === undefined ? state.driver : driver,
      };
    }
    case 'system.template.deleted':
      return { kind: 'deleted', templateId: state.templateId, name: state.name, version: next.version };
    case 'system.template.module_assigned': {
      const { assignment_id, module_name, config, priority, enabled } = event.data;
      const assignment = { assignment_id, module_name, config, priority, enabled, suspended: null };
      return { ...next, assignments: { ...state.assignments, [module_name]: assignment } };
    }
    case 'system.template.module_unassigned': {
      return { ...next, assignments: without(state.assignments, event.data.module_name) };
    }
    case 'system.template.assignment_suspended': {
      const found = Object.values(state.assignments).find((a) => a.assignment_id === event.data.assignment_id);
      if (found === undefined) return next;
      const suspended = { ...found, suspended: event.data.reason };
      return { ...next, assignments: { ...state.assignments, [found.module_name]: suspended } };
    }
    default:
      return next; // Other contexts may write to this stream; what they say does not concern the template.
  }
};

/** The assignments that instances must carry out now. */
export const activeAssignments = (state: TemplateState): readonly Assignment[] =>
  state.kind === 'live' ? Object.values(state.assignments).filter((a) => a.enabled && a.suspended === null) : [];

export const sameJson = (a: unknown, b: unknown): boolean => canonicalJson(a) === canonicalJson(b);
