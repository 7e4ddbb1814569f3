import { statusOfState } from '../conditions.js';
import type { ApprovalDoc } from './projection.js';

/** The call that is asked for is the one generation there is; it is observed once it was made, and wanted no more where nobody let it happen. */
export const approvalConditions = (doc: ApprovalDoc, answer: 'ready' | 'taken' | 'expired' | null) => {
  const { status, completion, comment } = doc;
  const made = completion?.outcome ?? null;
  const failed = made === 'refused' || made === 'failed';
  const dropped = status === 'rejected' || status === 'expired';
  const since = { pending: doc.requested_at, completed: doc.completed_at, expired: doc.call?.expires_at ?? null };
  return statusOfState({
    state: failed ? `call_${made}` : status,
    ready: ['completed'],
    progressing: ['pending', 'approved'],
    resting: ['rejected', 'expired'],
    since: since[status as keyof typeof since] ?? doc.decided_at,
    error: failed ? (completion?.message ?? completion?.code ?? 'the call failed') : null,
    generation: dropped ? null : 1,
    observedGeneration: made === null ? null : 1,
    also: [
      {
        type: 'Approved',
        holds: status === 'pending' ? 'unknown' : !dropped,
        reason:
          status === 'pending' ? 'NotDecided' : dropped ? (status === 'rejected' ? 'Rejected' : 'Expired') : 'Approved',
        ...(comment === null || comment === '' ? {} : { message: comment }),
      },
      {
        type: 'AnswerReady',
        holds: answer === 'ready',
        reason: answer === null ? 'NoAnswer' : { ready: 'Waiting', taken: 'Taken', expired: 'Expired' }[answer],
        message:
          answer === 'ready' ? `it waits for who asked until ${doc.answer?.expiresAt}` : 'there is nothing to take',
      },
    ],
  });
};
