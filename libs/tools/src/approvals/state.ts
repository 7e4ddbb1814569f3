import type { OperatorId } from '#kernel';
import type { Completion, RequestedCall } from './events.js';

/** The answer of a call that was made after its approval, sealed in the secret store. */
export interface KeptAnswer {
  /** Its subject there, for itself alone: it ends with the answer. */
  readonly subject: string;
  readonly expiresAt: string;
  readonly taken: boolean;
  /** Shredded. */
  readonly ended: boolean;
}

export type ApprovalStatus = 'pending' | 'approved' | 'rejected' | 'expired' | 'completed' | 'notified';

export interface ApprovalState {
  readonly status: ApprovalStatus | 'none';
  readonly call: RequestedCall | undefined;
  readonly decidedBy: OperatorId | null;
  readonly comment: string | null;
  readonly completion: Completion | null;
  /** Null before the call was made, and where it answered nothing that is kept. */
  readonly answer: KeptAnswer | null;
}
