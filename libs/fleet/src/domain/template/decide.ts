import {
  accept,
  assertNever,
  nothing,
  refusal,
  reject,
  secretPath,
  type Decider,
  type Decision,
  type Refusal,
  type TemplateId,
} from '#kernel';
import { findModule } from '../module-catalogue.js';
import {
  TemplateAssignmentSuspended,
  TemplateCreated,
  TemplateDeleted,
  TemplateModuleAssigned,
  TemplateModuleUnassigned,
  TemplateUpdated,
} from './events.js';
import {
  evolveTemplate,
  noTemplate,
  sameJson,
  type LiveTemplate,
  type TemplateEvent,
  type TemplateState,
} from './state.js';

export type TemplateCommand =
  | { readonly kind: 'create'; templateId: TemplateId; name: string; description: string; driver: string | null }
  | { readonly kind: 'update'; name?: string; description?: string; driver?: string | null }
  /** `usedBy` are names of nodes made from it, as far as the caller knows. */
  | { readonly kind: 'delete'; readonly usedBy: readonly { readonly id: string; readonly name: string }[] }
  | {
      readonly kind: 'assign';
      readonly moduleName: string;
      readonly config: Readonly<Record<string, unknown>>;
      readonly priority: number;
      readonly enabled: boolean;
      /** Used when the module is not assigned yet; an assignment keeps its id for life. */
      readonly newAssignmentId: string;
    }
  | { readonly kind: 'unassign'; readonly moduleName: string }
  | { readonly kind: 'suspend'; readonly assignmentId: string; readonly reason: string };

export const templateGone = (state: TemplateState, field = 'template_id'): Refusal =>
  state.kind === 'deleted'
    ? refusal(410, 'template_deleted', `template ${state.name} was deleted`, { field })
    : refusal(404, 'template_not_found', 'there is no such template', {
        field,
        hint: 'system_list_templates shows the templates of this account',
      });

const create = (state: TemplateState, c: Extract<TemplateCommand, { kind: 'create' }>): Decision<TemplateEvent> =>
  state.kind === 'absent'
    ? accept(TemplateCreated({ template_id: c.templateId, name: c.name, description: c.description, driver: c.driver }))
    : nothing('exists');

const update = (state: LiveTemplate, c: Extract<TemplateCommand, { kind: 'update' }>): Decision<TemplateEvent> => {
  const changes = {
    ...(c.name === undefined || c.name === state.name ? {} : { name: c.name }),
    ...(c.description === undefined || c.description === state.description ? {} : { description: c.description }),
    ...(c.driver === undefined || c.driver === state.driver ? {} : { driver: c.driver }),
  };
  if (Object.keys(changes).length === 0) return nothing('no_change');
  return accept(TemplateUpdated({ template_id: state.templateId as TemplateId, ...changes }));
};

const remove = (state: LiveTemplate, c: Extract<TemplateCommand, { kind: 'delete' }>): Decision<TemplateEvent> => {
  if (c.usedBy.length === 0)
    return accept(TemplateDeleted({ template_id: state.templateId as TemplateId, name: state.name }));
  const names = c.usedBy.map((node) => node.name).join(', ');
  return reject(
    refusal(409, 'template_in_use', `template ${state.name} is used by ${names}`, {
      field: 'template_id',
      hint: 'delete these nodes first (system_delete_node)',
      candidates: c.usedBy,
    }),
  );
};

/** The value itself is not repeated: refusals are answered, and may be logged. */
const secretInConfig = (path: string) =>
  refusal(422, 'secret_in_config', `config.${path} looks like a secret`, {
    field: `config.${path}`,
    hint: 'an assignment stands in the log for good; keep the secret in a file on the node and name that',
  });

const assign = (state: LiveTemplate, c: Extract<TemplateCommand, { kind: 'assign' }>): Decision<TemplateEvent> => {
  const found = findModule(c.moduleName);
  if (found.refusal !== undefined) return reject(found.refusal);
  const secret = secretPath(c.config);
  if (secret !== undefined) return reject(secretInConfig(secret));
  const existing = state.assignments[c.moduleName];
  const same =
    existing !== undefined &&
    existing.suspended === null &&
    existing.enabled === c.enabled &&
    existing.priority === c.priority &&
    sameJson(existing.config, c.config);
  if (same) return nothing('assigned_before');
  return accept(
    TemplateModuleAssigned({
      template_id: state.templateId as TemplateId,
      assignment_id: existing?.assignment_id ?? c.newAssignmentId,
      module_name: c.moduleName,
      config: c.config,
      priority: c.priority,
      enabled: c.enabled,
    }),
  );
};

const unassign = (state: LiveTemplate, c: Extract<TemplateCommand, { kind: 'unassign' }>): Decision<TemplateEvent> => {
  const found = findModule(c.moduleName);
  if (found.refusal !== undefined) return reject(found.refusal);
  const existing = state.assignments[c.moduleName];
  if (existing === undefined) return nothing('not_assigned');
  return accept(
    TemplateModuleUnassigned({
      template_id: state.templateId as TemplateId,
      assignment_id: existing.assignment_id,
      module_name: c.moduleName,
    }),
  );
};

const suspend = (state: LiveTemplate, c: Extract<TemplateCommand, { kind: 'suspend' }>): Decision<TemplateEvent> => {
  const existing = Object.values(state.assignments).find((a) => a.assignment_id === c.assignmentId);
  if (existing === undefined || existing.suspended !== null) return nothing('not_in_force');
  return accept(
    TemplateAssignmentSuspended({
      template_id: state.templateId as TemplateId,
      assignment_id: c.assignmentId,
      reason: c.reason,
    }),
  );
};

const decide = (command: TemplateCommand, state: TemplateState): Decision<TemplateEvent> => {
  if (command.kind === 'create') return create(state, command);
  if (command.kind === 'delete' && state.kind === 'deleted') return nothing('deleted_before');
  if (state.kind !== 'live') return reject(templateGone(state));
  switch (command.kind) {
    case 'update':
      return update(state, command);
    case 'delete':
      return remove(state, command);
    case 'assign':
      return assign(state, command);
    case 'unassign':
      return unassign(state, command);
    case 'suspend':
      return suspend(state, command);
    default:
      return assertNever(command);
  }
};

export const templateDecider: Decider<TemplateState, TemplateCommand, TemplateEvent> = {
  initial: noTemplate,
  evolve: evolveTemplate,
  decide,
};
