import { Command } from '#processing';
import type { ToolPolicy } from './policy.js';

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
/** Makes the call that was approved. Safe to repeat: the call happens under the approval's id. */
export class PerformApproved extends Command<OnApproval, void> {
  static readonly type = 'tools.perform_approved';
}
