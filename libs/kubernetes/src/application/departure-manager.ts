import type { RecordedEvent } from '#event-store';
import { defineProcessManager, type ProcessOutput } from '#processing';
import { KUBERNETES_MANAGER_AGENT } from './managers.js';

export const FIRST_RETRY_MS = 5_000;
const MAX_WAIT_MS = 10 * 60_000;
/** A little over an hour. */
export const MAX_ATTEMPTS = 14;
const RETRY = 'retry';

interface State {
  readonly clusterId: string;
  readonly instanceId: string;
  readonly nodeName: string | null;
  /** 0 while there is nothing to do. */
  readonly attempt: number;
  readonly lastError: string;
}

const initial: State = { clusterId: '', instanceId: '', nodeName: null, attempt: 0, lastError: '' };
type Reaction = { readonly state: State; readonly outputs: readonly ProcessOutput[] };

const payloadOf = ({ clusterId, instanceId, nodeName }: State) => ({
  cluster_id: clusterId,
  instance_id: instanceId,
  node_name: nodeName,
});

/** One try now and a timer for the next: a try that is never answered is a failed one. */
const attempt = (state: State, nowMs: number): Reaction => ({
  state: { ...state, attempt: state.attempt + 1 },
  outputs: [
    { kind: 'timer', name: RETRY, dueMs: nowMs + Math.min(MAX_WAIT_MS, FIRST_RETRY_MS * 2 ** state.attempt) },
    { kind: 'command', type: 'kubernetes.clean_up_node', payload: payloadOf(state) },
  ],
});

const giveUp = (state: State): Reaction => ({
  state: { ...state, attempt: 0 },
  outputs: [
    {
      kind: 'command',
      type: 'kubernetes.record_clean_up_failed',
      payload: { ...payloadOf(state), reason: state.lastError || 'the Kubernetes API did not answer' },
    },
  ],
});

const onEvent = (state: State, event: RecordedEvent): Reaction => {
  const text = (field: string) => String(event.data[field] ?? '');
  if (event.type === 'system.k3s.node.removed') {
    const known = { ...state, clusterId: text('cluster_id'), instanceId: text('instance_id'), lastError: '' };
    if (known.nodeName === null) return { state: known, outputs: [{ kind: 'note', text: 'it never had a Node' }] };
    return attempt({ ...known, attempt: 0 }, Date.parse(event.recordedAt));
  }
  // It is a member (again): what is there under its name is its own.
  const next = {
    ...initial,
    clusterId: text('cluster_id'),
    instanceId: text('instance_id'),
    nodeName: text('node_name'),
  };
  return { state: next, outputs: state.attempt === 0 ? [] : [{ kind: 'cancel_timer', name: RETRY }] };
};

/** Removes from Kubernetes what a removed member left there, however long that takes. One process per instance. */
export const departureManager = defineProcessManager<State>({
  name: 'kubernetes_departures',
  agentId: KUBERNETES_MANAGER_AGENT,
  correlate: (event) =>
    event.type === 'system.k3s.node.removed' || event.type === 'system.k3s.handshake.ready'
      ? String(event.data['instance_id'])
      : undefined,
  initial,
  react: (state, input) => {
    if (input.kind === 'event') return onEvent(state, input.event);
    if (state.attempt === 0) return { state, outputs: [] };
    if (input.kind === 'timer') return state.attempt < MAX_ATTEMPTS ? attempt(state, input.dueMs) : giveUp(state);
    if (input.command !== 'kubernetes.clean_up_node') return { state, outputs: [] };
    if (input.outcome === 'refused') {
      const lastError = input.message ?? input.code ?? 'refused';
      return { state: { ...state, lastError }, outputs: [{ kind: 'note', text: lastError }] };
    }
    return { state: { ...state, attempt: 0 }, outputs: [{ kind: 'cancel_timer', name: RETRY }] };
  },
});
