import { defineProcessManager, type ProcessOutput } from '#processing';
import { TerminateInstance } from './commands.js';

interface State {
  readonly instanceId: string;
  readonly wanted: boolean;
  /** When it was last told to end; absent in states of older builds. */
  readonly triedMs?: number;
  readonly refusals?: number;
}

const TIMER = 'drain_is_late';
/** What its cluster has lost meanwhile may be back soon; an operator who cannot wait forces it. */
const AGAIN = 'again';
const AGAIN_MS = 15_000;
/** Each try is kept for ever; who does not want to wait so long terminates it once more. */
const AGAIN_MOST_MS = 15 * 60_000;
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
  payload: { instance_id, careful: true },
});

/** Ends an instance as soon as what ran there has moved away, or has had its time to. One process per instance. */
export const fleetTermination = defineProcessManager<State>({
  name: 'fleet_termination',
  agentId: 'fleet_termination_agent',
  correlate: (event) => (TURNS.has(event.type) ? event.stream : undefined),
  initial: { instanceId: '', wanted: false },
  react: (state, input) => {
    if (input.kind === 'timer') {
      if (!state.wanted) return { state, outputs: [] };
      const note = input.name === TIMER ? [{ kind: 'note', text: 'no end of the drain' } as const] : [];
      return { state: { ...state, triedMs: input.dueMs }, outputs: [...note, terminate(state.instanceId)] };
    }
    if (input.kind === 'command_result') {
      if (!state.wanted || input.outcome !== 'refused') return { state, outputs: [] };
      const { triedMs = 0, refusals = 0 } = state;
      const dueMs = triedMs + Math.min(AGAIN_MOST_MS, AGAIN_MS * 2 ** refusals);
      const text = `it stays for now: ${input.message ?? input.code ?? 'refused'}`;
      return {
        state: { ...state, refusals: refusals + 1 },
        outputs: [
          { kind: 'note', text },
          { kind: 'timer', name: AGAIN, dueMs },
        ],
      };
    }
    const { event } = input;
    switch (event.type) {
      case 'system.instance.terminate_requested': {
        const dueMs = Date.parse(event.meta.occurredAt) + Number(event.data['timeout_seconds']) * 1_000 + GRACE_MS;
        return { state: { instanceId: event.stream, wanted: true }, outputs: [{ kind: 'timer', name: TIMER, dueMs }] };
      }
      case 'system.instance.drained': {
        const triedMs = Date.parse(event.meta.occurredAt);
        return {
          state: { ...state, triedMs, refusals: 0 },
          outputs: state.wanted ? [terminate(state.instanceId)] : [],
        };
      }
      default:
        if (!state.wanted) return { state, outputs: [] };
        return {
          state: { ...state, wanted: false },
          outputs: [TIMER, AGAIN].map((name) => ({ kind: 'cancel_timer', name })),
        };
    }
  },
});
