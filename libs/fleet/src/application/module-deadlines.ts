import type { RecordedEvent } from '#event-store';
import { defineProcessManager, type ProcessOutput } from '#processing';
import { familyOf } from '../domain/module-catalogue.js';
import { moduleBoundMs } from '../domain/instance/outlook.js';
import { without } from '../domain/without.js';
import { RecordModuleOverdue } from './commands.js';

interface Module {
  readonly name: string;
  readonly status: 'assigned' | 'installing' | 'failed' | 'running';
  readonly since: string;
}
interface State {
  /** The agent is there: what it has not begun with counts from then. */
  readonly up: boolean;
  readonly modules: Readonly<Record<string, Module>>;
}

const ASSIGNED = ['system.k3s.module.assigned', 'system.docker.module.assigned', 'system.module.assigned'];
const INSTALLING = ['system.k3s.runtime.installing', 'system.docker.runtime.installing'];
const READY = ['system.k3s.handshake.ready', 'system.docker.handshake.ready'];
/** A failure of a K3s that had been ready is over with it, too. */
const WELL_AGAIN = 'system.k3s.node.ready';
const UP = ['system.instance.online', 'system.instance.returned'];
const GONE = ['system.instance.lost', 'system.instance.terminated', 'system.instance.forgotten'];
const OTHERS = ['system.module.removed', 'system.module.failed', 'system.module.generation_applied'];
const TURNS: ReadonlySet<string> = new Set([
  ...[...ASSIGNED, ...INSTALLING, ...READY, WELL_AGAIN, ...UP, ...GONE, ...OTHERS],
]);

/** Which module a runtime's readiness is about. */
const readyName = (event: RecordedEvent): string =>
  event.type.startsWith('system.docker.')
    ? 'docker-engine'
    : event.data['role'] === 'server'
      ? 'k3s-server'
      : 'k3s-agent';

const withStatus = (state: State, isMeant: (m: Module) => boolean, change: Omit<Module, 'name'>): State => ({
  ...state,
  modules: Object.fromEntries(
    Object.entries(state.modules).map(([id, m]) => [id, isMeant(m) ? { name: m.name, ...change } : m]),
  ),
});

/** A stay goes on however often the agent says again that it is in it. */
const into = (state: State, isMeant: (m: Module) => boolean, change: Omit<Module, 'name'>): State =>
  withStatus(state, (m) => isMeant(m) && m.status !== change.status, change);

const evolve = (state: State, event: RecordedEvent): State => {
  const { type, data } = event;
  const since = event.meta.occurredAt;
  const name = data['module_name'];
  if (ASSIGNED.includes(type)) {
    const module: Module = { name: String(name), status: 'assigned', since };
    return { ...state, modules: { ...state.modules, [String(data['assignment_id'])]: module } };
  }
  if (type === 'system.module.removed') {
    return { ...state, modules: without(state.modules, String(data['assignment_id'])) };
  }
  if (INSTALLING.includes(type)) return into(state, (m) => m.name === name, { status: 'installing', since });
  if (type === 'system.module.failed') return into(state, (m) => m.name === name, { status: 'failed', since });
  if (READY.includes(type)) {
    const ready = readyName(event);
    return into(state, (m) => m.name === ready, { status: 'running', since });
  }
  if (type === WELL_AGAIN)
    return into(state, (m) => familyOf(m.name) === 'k3s' && m.status === 'failed', { status: 'running', since });
  if (type === 'system.module.generation_applied') {
    const taken = (data['modules'] ?? []) as readonly string[];
    const isTaken = (m: Module) => familyOf(m.name) === 'generic' && m.status === 'assigned' && taken.includes(m.name);
    return withStatus(state, isTaken, { status: 'running', since });
  }
  if (GONE.includes(type)) return { ...state, up: false };
  if (!UP.includes(type)) return state;
  return withStatus({ ...state, up: true }, (m) => m.status === 'assigned', { status: 'assigned', since });
};

/** The timers that are another than before: those of what changed, and all of them when the machine came or went. */
const timers = (instance_id: string, before: State, after: State): ProcessOutput[] => {
  const ids = new Set([...Object.keys(before.modules), ...Object.keys(after.modules)]);
  return [...ids].flatMap((assignment_id): ProcessOutput[] => {
    const [was, now] = [before.modules[assignment_id], after.modules[assignment_id]];
    if (was === now && before.up === after.up) return [];
    const timer = `module:${assignment_id}`;
    const bound_ms = now === undefined || now.status === 'running' || !after.up ? null : moduleBoundMs(now.status);
    if (bound_ms === null) return was === undefined ? [] : [{ kind: 'cancel_timer', name: timer }];
    const data = { instance_id, assignment_id, status: now!.status, since: now!.since, bound_ms };
    return [{ kind: 'timer', name: timer, dueMs: Date.parse(now!.since) + bound_ms, data }];
  });
};

/** Says once when a module does not come to run in its time. One process per instance. */
export const moduleDeadlines = defineProcessManager<State>({
  name: 'module_deadlines',
  agentId: 'fleet_deadlines_agent',
  correlate: (event) => {
    if (!TURNS.has(event.type)) return undefined;
    return typeof event.data['instance_id'] === 'string' ? event.data['instance_id'] : undefined;
  },
  initial: { up: false, modules: {} },
  react: (state, input) => {
    if (input.kind === 'timer')
      return { state, outputs: [{ kind: 'command', type: RecordModuleOverdue.type, payload: input.data }] };
    if (input.kind === 'command_result') return { state, outputs: [] };
    const next = evolve(state, input.event);
    return { state: next, outputs: timers(String(input.event.data['instance_id']), state, next) };
  },
});
