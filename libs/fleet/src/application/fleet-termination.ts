import { defineProcessManager, type ProcessOutput } from '#processing';
import { TerminateInstance } from './commands.js';

interface State {
  readonly instanceId: string;
  readonly wanted: boolean;
}

const TIMER = 'drain_is_late';
/** A drain ends by itself when its time is up; this is for one that never says so. */
const GRACE_MS = 5 * 60_000;

const TURNS: ReadonlySet<string> = new Set([
  'system.instance.terminate_requested',
  'system.instance.drained',
  'system.instance.uncordoned',
  'system.instance.terminated',
  'system.instance.forgotten',
]);

const terminate = (instance_id: string): ProcessOutput => ({
  kind: 'command',
  type: TerminateInstance.type,
  payload: { instance_id },
});

/** Ends an instance as soon as what ran there has moved away, or has had its time to. One process per instance. */
export const fleetTermination = defineProcessManager<State>({
  name: 'fleet_termination',
  agentId: 'fleet_termination_agent',
  correlate: (event) => (TURNS.has(event.type) ? event.stream : undefined),
  initial: { instanceId: '', wanted: false },
  react: (state, input) => {
    if (input.kind === 'timer')
      return {
        state,
        outputs: state.wanted ? [{ kind: 'note', text: 'no end of the drain' }, terminate(state.instanceId)] : [],
      };
    if (input.kind === 'command_result') return { state, outputs: [] };
    const { event } = input;
    switch (event.type) {
      case 'system.instance.terminate_requested': {
        const dueMs = Date.parse(event.meta.occurredAt) + Number(event.data['timeout_seconds']) * 1_000 + GRACE_MS;
        return { state: { instanceId: event.stream, wanted: true }, outputs: [{ kind: 'timer', name: TIMER, dueMs }] };
      }
      case 'system.instance.drained':
        return { state, outputs: state.wanted ? [terminate(state.instanceId)] : [] };
      default:
        if (!state.wanted) return { state, outputs: [] };
        return { state: { ...state, wanted: false }, outputs: [{ kind: 'cancel_timer', name: TIMER }] };
    }
  },
});
