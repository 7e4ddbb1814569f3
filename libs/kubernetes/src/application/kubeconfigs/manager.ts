import { categoryOf } from '#kernel';
import { defineProcessManager } from '#processing';
import { KUBECONFIG } from '../../domain/kubeconfigs/decide.js';
import { KUBERNETES_MANAGER_AGENT } from '../managers.js';
import { RevokeKubeconfig } from './commands.js';

const FIRST_RETRY_MS = 5_000;
const MAX_WAIT_MS = 3_600_000;
const CLEAN_UP = 'clean_up';

/** It goes before its time. */
const OVER: Readonly<Record<string, Waiting['reason']>> = {
  'system.k3s.kubeconfig.withdrawal_ordered': 'operator_disabled',
  'system.k3s.kubeconfig.issue_failed': 'issue_failed',
};

interface Waiting {
  readonly issueId: string;
  readonly attempt: number;
  readonly reason: 'expired' | 'operator_disabled' | 'issue_failed';
}

/** Takes the service account of a kubeconfig that is over, or has to go before its time, out of its cluster, however long that cannot be reached. */
export const kubeconfigManager = defineProcessManager<Waiting>({
  name: 'kubernetes_kubeconfigs',
  agentId: KUBERNETES_MANAGER_AGENT,
  correlate: (event) => (categoryOf(event.stream) === KUBECONFIG ? event.stream : undefined),
  initial: { issueId: '', attempt: 0, reason: 'expired' },
  react: (state, input) => {
    if (input.kind === 'event') {
      const over = OVER[input.event.type];
      // Told while it is being tried again: nothing else is to be done.
      if (input.event.type === 'system.k3s.kubeconfig.withdrawal_stuck') return { state, outputs: [] };
      if (over !== undefined)
        return {
          state: { issueId: input.event.stream, attempt: 0, reason: over },
          outputs: [{ kind: 'timer', name: CLEAN_UP, dueMs: Date.parse(input.event.meta.occurredAt) }],
        };
      if (input.event.type !== 'system.k3s.kubeconfig.issued')
        return { state, outputs: [{ kind: 'cancel_timer', name: CLEAN_UP }] };
      const dueMs = Date.parse(String(input.event.data['expires_at']));
      return {
        state: { issueId: input.event.stream, attempt: 0, reason: 'expired' },
        outputs: [{ kind: 'timer', name: CLEAN_UP, dueMs }],
      };
    }
    if (input.kind === 'timer') {
      const dueMs = input.dueMs + Math.min(MAX_WAIT_MS, FIRST_RETRY_MS * 2 ** Math.min(state.attempt, 20));
      const payload = { issue_id: state.issueId, reason: state.reason };
      return {
        state: { ...state, attempt: state.attempt + 1 },
        outputs: [
          { kind: 'timer', name: CLEAN_UP, dueMs },
          { kind: 'command', type: RevokeKubeconfig.type, payload },
        ],
      };
    }
    if (input.outcome === 'done') return { state, outputs: [{ kind: 'cancel_timer', name: CLEAN_UP }] };
    return { state, outputs: [{ kind: 'note', text: input.message ?? input.code ?? 'refused' }] };
  },
});
