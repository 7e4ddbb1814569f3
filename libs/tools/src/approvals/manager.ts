import { defineProcessManager } from '#processing';
import { ExpireApproval, PerformApproved } from './commands.js';

const TIMER = 'expiry';

/** Makes approved calls, also when the platform dies right after the approval, and ends what nobody decides on. */
export const approvalsManager = defineProcessManager<null>({
  name: 'approvals',
  agentId: 'approvals_agent',
  correlate: (event) =>
    ['requested', 'approved', 'rejected'].some((end) => event.type === `system.approval.${end}`)
      ? event.stream
      : undefined,
  initial: null,
  react: (state, input) => {
    if (input.kind === 'timer') {
      return { state, outputs: [{ kind: 'command', type: ExpireApproval.type, payload: input.data }] };
    }
    if (input.kind === 'command_result') return { state, outputs: [] };
    const { type, data, stream } = input.event;
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
      default:
        return { state, outputs: [{ kind: 'cancel_timer', name: TIMER }] };
    }
  },
});
