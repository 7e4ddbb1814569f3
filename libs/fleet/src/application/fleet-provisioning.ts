import { defineProcessManager, type ProcessInput, type ProcessOutput } from '#processing';
import { RecordProvisionFailed, ReleaseMachine, RunProvisioner } from './commands.js';

export const FIRST_RETRY_MS = 5_000;
export const MAX_ATTEMPTS = 5;

type Job = 'provision' | 'release';

interface State {
  readonly instanceId: string;
  readonly driver: string;
  readonly job: Job | 'idle';
  readonly attempt: number;
  readonly lastError: string;
}

type Reaction = { readonly state: State; readonly outputs: readonly ProcessOutput[] };

const RETRY = 'retry';

/** One try now and a timer for the next, so that a lost answer is a failed try and nothing has to ask for the time. */
const attempt = (state: State, nowMs: number): Reaction => {
  const { instanceId: instance_id, driver } = state;
  const next = { ...state, attempt: state.attempt + 1 };
  const type = state.job === 'provision' ? RunProvisioner.type : ReleaseMachine.type;
  const payload = state.job === 'provision' ? { instance_id, driver, attempt: next.attempt } : { instance_id, driver };
  const dueMs = nowMs + FIRST_RETRY_MS * 2 ** state.attempt;
  return {
    state: next,
    outputs: [
      { kind: 'timer', name: RETRY, dueMs },
      { kind: 'command', type, payload },
    ],
  };
};

const giveUp = (state: State): Reaction => {
  const reason = `${state.driver}: no success in ${state.attempt} tries: ${state.lastError}`;
  const payload = { instance_id: state.instanceId, reason };
  const note: ProcessOutput = { kind: 'note', text: reason };
  return {
    state: { ...state, job: 'idle' },
    outputs:
      state.job === 'provision' ? [note, { kind: 'command', type: RecordProvisionFailed.type, payload }] : [note],
  };
};

const settled = (state: State, text: string): Reaction => ({
  state: { ...state, job: 'idle' },
  outputs: [
    { kind: 'cancel_timer', name: RETRY },
    { kind: 'note', text },
  ],
});

const onEvent = (state: State, { event }: Extract<ProcessInput, { kind: 'event' }>): Reaction => {
  const atMs = Date.parse(event.recordedAt);
  switch (event.type) {
    case 'system.instance.provision_requested': {
      const instanceId = String(event.data['instance_id']);
      const driver = String(event.data['driver']);
      if (driver === 'existing') return { state: { ...state, instanceId, driver }, outputs: [] };
      return attempt({ instanceId, driver, job: 'provision', attempt: 0, lastError: '' }, atMs);
    }
    case 'system.instance.enrolled':
      return state.job === 'provision' ? settled(state, 'the machine has enrolled') : { state, outputs: [] };
    default: {
      // terminated or forgotten
      if (state.driver === '' || state.driver === 'existing') return { state, outputs: [] };
      return attempt({ ...state, job: 'release', attempt: 0, lastError: '' }, atMs);
    }
  }
};

/** Gets machines from drivers that make them and gives them back, with retries. One process per instance. */
export const fleetProvisioning = defineProcessManager<State>({
  name: 'fleet_provisioning',
  agentId: 'fleet_provisioning_agent',
  correlate: (event) => {
    switch (event.type) {
      case 'system.instance.provision_requested':
      case 'system.instance.enrolled':
      case 'system.instance.terminated':
      case 'system.instance.forgotten':
        return String(event.data['instance_id']);
      default:
        return undefined;
    }
  },
  initial: { instanceId: '', driver: '', job: 'idle', attempt: 0, lastError: '' },
  react: (state, input) => {
    if (input.kind === 'event') return onEvent(state, input);
    if (state.job === 'idle') return { state, outputs: [] };
    if (input.kind === 'timer') return state.attempt < MAX_ATTEMPTS ? attempt(state, input.dueMs) : giveUp(state);
    const mine = state.job === 'provision' ? RunProvisioner.type : ReleaseMachine.type;
    if (input.command !== mine) return { state, outputs: [] };
    if (input.outcome === 'done') return settled(state, `${state.job}: done at try ${state.attempt}`);
    const lastError = input.message ?? input.code ?? 'refused';
    const text = `${state.job}: try ${state.attempt} failed: ${lastError}`;
    return { state: { ...state, lastError }, outputs: [{ kind: 'note', text }] };
  },
});
