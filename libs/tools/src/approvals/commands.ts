import { Command } from '#processing';
import type { ToolPolicy } from './policy.js';

/** What the call answered, as JSON. */
export interface TakenAnswer {
  readonly json: string;
}

interface OnApproval {
  readonly approval_id: string;
}

export class SetToolPolicy extends Command<{ readonly policy: ToolPolicy }, void> {
  static readonly type = 'tools.set_policy';
}
export class DecideApproval extends Command<
  OnApproval & { readonly decision: 'approve' | 'reject'; readonly comment: string },
  void
> {
  static readonly type = 'tools.decide_approval';
}
/** Sent by the approvals' process manager when nobody decided in time. */
export class ExpireApproval extends Command<OnApproval, void> {
  static readonly type = 'tools.expire_approval';
}
/** Tells who asked what the approved call answered, once. */
export class TakeAnswer extends Command<OnApproval & { readonly guarded: boolean }, TakenAnswer> {
  static readonly type = 'tools.take_answer';
}
/** Sent by the approvals' process manager when the answer was taken, or nobody came for it in time. */
export class EndAnswer extends Command<OnApproval, void> {
  static readonly type = 'tools.end_answer';
}
/** Makes the call that was approved. Safe to repeat: the call happens under the approval's id. */
export class PerformApproved extends Command<OnApproval, void> {
  static readonly type = 'tools.perform_approved';
}
