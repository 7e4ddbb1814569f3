import { without } from '../without.js';
import { stopOver, stopSaid } from './stopping.js';
import type { InstanceEvent, InstanceModule, KnownInstance } from './state.js';

type DataOf<T extends InstanceEvent['type']> = Extract<InstanceEvent, { type: T }>['data'];

/** What is kept of a module that is configured anew: it is still what had failed, until it runs. */
const pastOf = ({ failures, trouble }: Partial<InstanceModule> = {}): Partial<InstanceModule> => ({
  ...(failures === undefined ? {} : { failures }),
  ...(trouble === undefined ? {} : { trouble }),
});

const assigned = (state: KnownInstance, data: DataOf<'system.module.assigned'>): KnownInstance => ({
  ...state,
  templateVersion: data.template_version ?? state.templateVersion,
  modules: {
    ...state.modules,
    [data.assignment_id]: {
      ...pastOf(state.modules[data.assignment_id]),
      assignmentId: data.assignment_id,
      templateId: data.template_id,
      moduleName: data.module_name,
      config: data.config,
      priority: data.priority,
      status: 'assigned',
      error: null,
    },
  },
});

const removed = (state: KnownInstance, data: DataOf<'system.module.removed'>): KnownInstance => {
  const modules = without(state.modules, data.assignment_id);
  return { ...state, modules, templateVersion: data.template_version ?? state.templateVersion };
};

const touchModule = (
  state: KnownInstance,
  moduleName: string,
  change: (module: InstanceModule) => Partial<InstanceModule>,
): KnownInstance => ({
  ...state,
  modules: Object.fromEntries(
    Object.entries(state.modules).map(([id, m]) => [id, m.moduleName === moduleName ? { ...m, ...change(m) } : m]),
  ),
});

const failed = ({ failures = 0 }: InstanceModule, reason: string): Partial<InstanceModule> => ({
  status: 'failed',
  error: reason,
  failures: failures + 1,
  trouble: { from: 'failed', reason },
});

/** What is installed anew meanwhile goes on with that. */
const recovered = (state: KnownInstance, id: string): KnownInstance => {
  const module = state.modules[id];
  if (module === undefined) return state;
  const now = module.status === 'failed' ? ({ status: 'running', error: null } as const) : {};
  return { ...state, modules: { ...state.modules, [id]: { ...module, ...now, trouble: undefined } } };
};

/** What an event says of the modules; of all others, and of other contexts' on this stream, nothing. */
export const evolveModules = (state: KnownInstance, event: InstanceEvent): KnownInstance => {
  switch (event.type) {
    case 'system.k3s.module.assigned':
    case 'system.docker.module.assigned':
    case 'system.module.assigned':
      return assigned(stopOver(state, event.data.module_name), event.data);
    case 'system.module.stop_stuck':
    case 'system.module.stopped':
      return stopSaid(state, event.data.module_name, 'reason' in event.data ? event.data.reason : null);
    case 'system.module.removed':
      return removed(state, event.data);
    case 'system.k3s.runtime.installing':
    case 'system.docker.runtime.installing':
      return touchModule(state, event.data.module_name, () => ({ status: 'installing', error: null }));
    case 'system.module.failed':
      return touchModule(state, event.data.module_name, (module) => failed(module, event.data.reason));
    case 'system.module.overdue': {
      const { module_name, since, state: from, reason } = event.data;
      return touchModule(state, module_name, ({ trouble }) => ({
        overdueSince: since,
        trouble: trouble ?? { from, reason },
      }));
    }
    case 'system.module.recovered':
      return recovered(state, event.data.assignment_id);
    default:
      return state;
  }
};
