import { defineProcessManager, type ProcessOutput } from '#processing';
import { evolveInstance } from '../domain/instance/evolve.js';
import { boundMs } from '../domain/instance/outlook.js';
import {
  noInstance,
  statusOf,
  type InstanceEvent,
  type InstanceState,
  type InstanceStatus,
} from '../domain/instance/state.js';
import { RecordOverdue } from './commands.js';

interface State {
  readonly instance: InstanceState;
  readonly drainTimeoutSeconds: number;
}

const TIMER = 'deadline';

/** Only what can change an instance's state: every event taken in is an append. */
const TURNS: ReadonlySet<string> = new Set([
  'system.instance.created',
  'system.instance.provision_requested',
  'system.instance.provision_failed',
  'system.instance.enrolled',
  'system.instance.online',
  'system.instance.lost',
  'system.instance.returned',
  'system.instance.drain_requested',
  'system.instance.drained',
  'system.instance.uncordoned',
  'system.instance.terminate_requested',
  'system.instance.terminated',
  'system.instance.forgotten',
]);

const statusNow = (instance: InstanceState): InstanceStatus | undefined =>
  instance.kind === 'absent' ? undefined : statusOf(instance);

/** What the timers need to know and no more: this is folded anew from the inbox after every restart. */
const slim = (instance: InstanceState): InstanceState =>
  instance.kind === 'absent'
    ? instance
    : { ...instance, tokens: {}, certificate: null, presence: null, modules: {}, previousSerial: null };

/** Says once when an instance stays in a state for longer than it should. One process per instance. */
export const fleetDeadlines = defineProcessManager<State>({
  name: 'fleet_deadlines',
  agentId: 'fleet_deadlines_agent',
  correlate: (event) => (TURNS.has(event.type) ? event.stream : undefined),
  initial: { instance: noInstance, drainTimeoutSeconds: 0 },
  react: (state, input) => {
    if (input.kind === 'timer') {
      return { state, outputs: [{ kind: 'command', type: RecordOverdue.type, payload: input.data }] };
    }
    if (input.kind === 'command_result') return { state, outputs: [] };
    const { event } = input;
    const fact = { type: event.type, data: event.data } as unknown as InstanceEvent;
    const instance = slim(evolveInstance(state.instance, fact));
    const drainTimeoutSeconds =
      event.type === 'system.instance.drain_requested'
        ? Number(event.data['timeout_seconds'])
        : state.drainTimeoutSeconds;
    const next = { instance, drainTimeoutSeconds };
    const status = statusNow(instance);
    if (status === undefined || status === statusNow(state.instance)) return { state: next, outputs: [] };
    const bound_ms = boundMs(status, drainTimeoutSeconds);
    if (bound_ms === null) return { state: next, outputs: [{ kind: 'cancel_timer', name: TIMER }] };
    const since = event.meta.occurredAt;
    const data = { instance_id: event.stream, status, since, bound_ms };
    const timer: ProcessOutput = { kind: 'timer', name: TIMER, dueMs: Date.parse(since) + bound_ms, data };
    return { state: next, outputs: [timer] };
  },
});
