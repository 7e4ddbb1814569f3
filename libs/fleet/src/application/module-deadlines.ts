import type { RecordedEvent } from '#event-store';
import { defineProcessManager, type ProcessOutput } from '#processing';
import { familyOf } from '../domain/module-catalogue.js';
import { moduleBoundMs } from '../domain/instance/outlook.js';
import { without } from '../domain/without.js';
import { RecordModuleOverdue, RecordModuleRecovered } from './commands.js';

interface Module {
  readonly name: string;
  readonly status: 'assigned' | 'installing' | 'failed' | 'running';
  readonly since: string;
  /** How often it was told as failed; absent: never. */
  readonly failures?: number;
  /** Since when it is in trouble that was told; kept until the instance's stream says that it is over. */
  readonly trouble?: string | undefined;
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
const OTHERS = ['removed', 'failed', 'overdue', 'generation_applied'].map((name) => `system.module.${name}`);
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

const touch = (state: State, change: (m: Module, id: string) => Module): State => ({
  ...state,
  modules: Object.fromEntries(Object.entries(state.modules).map(([id, m]) => [id, change(m, id)])),
});

type Stay = Pick<Module, 'status' | 'since'>;

const withStatus = (state: State, isMeant: (m: Module) => boolean, stay: Stay): State =>
  touch(state, (m) => (isMeant(m) ? { ...m, ...stay } : m));

/** A stay goes on however often the agent says again that it is in it. */
const into = (state: State, isMeant: (m: Module) => boolean, stay: Stay): State =>
  withStatus(state, (m) => isMeant(m) && m.status !== stay.status, stay);

/** Of what had run since its last trouble this is another one. */
const failed = (m: Module, since: string): Module => ({
  ...m,
  ...(m.status === 'failed' ? {} : ({ status: 'failed', since } as const)),
  failures: (m.failures ?? 0) + 1,
  trouble: m.status === 'running' ? since : (m.trouble ?? since),
});

const evolve = (state: State, event: RecordedEvent): State => {
  const { type, data } = event;
  const since = event.meta.occurredAt;
  const name = data['module_name'];
  if (ASSIGNED.includes(type)) {
    const id = String(data['assignment_id']);
    // Configured anew it is still what had failed, until it runs.
    const module: Module = { ...state.modules[id], name: String(name), status: 'assigned', since };
    return { ...state, modules: { ...state.modules, [id]: module } };
  }
  if (type === 'system.module.removed') {
    return { ...state, modules: without(state.modules, String(data['assignment_id'])) };
  }
  if (INSTALLING.includes(type)) return into(state, (m) => m.name === name, { status: 'installing', since });
  if (type === 'system.module.failed') return touch(state, (m) => (m.name === name ? failed(m, since) : m));
  if (type === 'system.module.overdue')
    return touch(state, (m) => (m.name === name ? { ...m, trouble: m.trouble ?? String(data['since']) } : m));
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
    if (was?.status === now?.status && was?.since === now?.since && before.up === after.up) return [];
    const timer = `module:${assignment_id}`;
    const bound_ms = now === undefined || now.status === 'running' || !after.up ? null : moduleBoundMs(now.status);
    if (bound_ms === null) return was === undefined ? [] : [{ kind: 'cancel_timer', name: timer }];
    const data = { instance_id, assignment_id, status: now!.status, since: now!.since, bound_ms };
    return [{ kind: 'timer', name: timer, dueMs: Date.parse(now!.since) + bound_ms, data }];
  });
};

/**
 * What runs and was told as in trouble. Asked for with every event until it is answered: so also what had recovered before the
 * platform told it. The instance's stream tells it once, and only of the trouble that it ends with.
 */
const recoveries = (instance_id: string, { modules }: State): ProcessOutput[] =>
  Object.entries(modules).flatMap(([assignment_id, { status, trouble: since, since: until, failures = 0 }]) => {
    if (status !== 'running' || since === undefined) return [];
    const payload = { instance_id, assignment_id, failures, since, until };
    return [{ kind: 'command', type: RecordModuleRecovered.type, payload } as const];
  });

/** Once more failed since, it is in trouble still. */
const answered = (state: State, { assignment_id, failures }: Readonly<Record<string, unknown>>): State =>
  touch(state, (m, id) => (id === assignment_id && (m.failures ?? 0) === failures ? { ...m, trouble: undefined } : m));

/** Says once when a module does not come to run in its time, and when it does after all. One process per instance. */
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
    if (input.kind === 'command_result') {
      const isTold = input.command === RecordModuleRecovered.type;
      return { state: isTold ? answered(state, input.payload) : state, outputs: [] };
    }
    const next = evolve(state, input.event);
    const id = String(input.event.data['instance_id']);
    return { state: next, outputs: [...timers(id, state, next), ...recoveries(id, next)] };
  },
});
