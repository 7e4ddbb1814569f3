import { defineProjection } from '#processing';
import { approvalDecider, type ApprovalState } from './decide.js';
import type { ApprovalEvent } from './events.js';

export interface ApprovalDoc extends ApprovalState {
  readonly account: string;
  readonly id: string;
  readonly requested_at: string;
  readonly decided_at: string | null;
  readonly completed_at: string | null;
  readonly taken_at: string | null;
}

const KINDS: ReadonlySet<string> = new Set([
  'system.approval.requested',
  'system.approval.approved',
  'system.approval.rejected',
  'system.approval.expired',
  'system.approval.completed',
  'system.approval.answer_taken',
  'system.approval.answer_ended',
]);

export const toolApprovals = defineProjection<ApprovalDoc>({
  name: 'tool_approvals',
  version: 2,
  keys: (event) => (KINDS.has(event.type) ? [event.stream] : []),
  fold: (doc, event, key) => {
    const state = approvalDecider.evolve(doc ?? approvalDecider.initial, event as unknown as ApprovalEvent);
    const { status, call, decidedBy, comment, completion, answer } = state;
    const isDecision = event.type === 'system.approval.approved' || event.type === 'system.approval.rejected';
    return {
      account: doc?.account ?? event.meta.accountId,
      id: key,
      requested_at: doc?.requested_at ?? event.meta.occurredAt,
      decided_at: isDecision ? event.meta.occurredAt : (doc?.decided_at ?? null),
      completed_at: event.type === 'system.approval.completed' ? event.meta.occurredAt : (doc?.completed_at ?? null),
      taken_at: event.type === 'system.approval.answer_taken' ? event.meta.occurredAt : (doc?.taken_at ?? null),
      ...{ status, call, decidedBy, comment, completion, answer },
    };
  },
  columns: ({ account, status, call }) => ({ account, status, tool: call?.tool ?? '' }),
  columnTypes: { status: 'text', tool: 'text' },
});
