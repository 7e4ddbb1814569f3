import { defineProcessManager } from '#processing';
import { EndAnswer, ExpireApproval, PerformApproved } from './commands.js';

const TIMER = 'expiry';
const ANSWER = 'answer';
/** So long after it was taken an answer that got lost on its way can be had again, by the same call under the same idempotency key. */
const TAKEN_KEPT_MS = 60_000;

/**
 * Makes approved calls, also when the platform dies right after the approval, ends what nobody decides on, and the answers that were
 * taken or that nobody came for.
 */
export const approvalsManager = defineProcessManager<null>({
  name: 'approvals',
  agentId: 'approvals_agent',
  correlate: (event) =>
    ['requested', 'approved', 'rejected', 'completed', 'answer_taken'].some(
      (end) => event.type === `system.approval.${end}`,
    )
      ? event.stream
      : undefined,
  initial: null,
  react: (state, input) => {
    if (input.kind === 'timer') {
      const { type } = input.name === ANSWER ? EndAnswer : ExpireApproval;
      return { state, outputs: [{ kind: 'command', type, payload: input.data }] };
    }
    if (input.kind === 'command_result') return { state, outputs: [] };
    const { type, data, stream, meta } = input.event;
    const about = { approval_id: stream };
    switch (type) {
      case 'system.approval.requested': {
        const dueMs = Date.parse(String(data['expires_at']));
        return { state, outputs: [{ kind: 'timer', name: TIMER, dueMs, data: about }] };
      }
      case 'system.approval.approved': {
        const perform = { kind: 'command', type: PerformApproved.type, payload: about } as const;
        return { state, outputs: [{ kind: 'cancel_timer', name: TIMER }, perform] };
      }
      case 'system.approval.completed': {
        const until = data['answer_expires_at'];
        if (until === undefined) return { state, outputs: [] };
        const dueMs = Date.parse(String(until));
        return { state, outputs: [{ kind: 'timer', name: ANSWER, dueMs, data: about }] };
      }
      case 'system.approval.answer_taken': {
        const dueMs = Date.parse(meta.occurredAt) + TAKEN_KEPT_MS;
        return { state, outputs: [{ kind: 'timer', name: ANSWER, dueMs, data: about }] };
      }
      default:
        return { state, outputs: [{ kind: 'cancel_timer', name: TIMER }] };
    }
  },
});
