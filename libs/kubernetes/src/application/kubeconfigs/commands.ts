import type { ClusterId } from '#kernel';
import { Command } from '#processing';
import type { RevokeReason } from '../../domain/kubeconfigs/decide.js';
import type { KubeconfigRole } from '../../domain/kubeconfigs/roles.js';

/** The kubeconfig is null when the same call was made before: it was shown then, and is kept nowhere. */
export interface ShownKubeconfig {
  readonly kubeconfig: string | null;
  readonly expiresAt: string;
}

export class IssueKubeconfig extends Command<
  {
    readonly issue_id: string;
    readonly cluster_id: ClusterId;
    readonly role: KubeconfigRole;
    readonly ttl_seconds: number;
    /** The platform may have died in the middle of this very call, and its answer is told to nobody yet: another token is made. */
    readonly untold?: boolean;
  },
  ShownKubeconfig
> {
  static readonly type = 'kubernetes.issue_kubeconfig';
}
/** Sent by the process manager kubeconfig_owners: who asked for them is disabled. */
export class WithdrawKubeconfigsOf extends Command<
  { readonly operator_id: string; /** Of the event that says so. */ readonly position: string },
  void
> {
  static readonly type = 'kubernetes.withdraw_kubeconfigs_of';
}
/** Safe to repeat. Refused, and so tried again, while the cluster's API cannot be reached. */
export class RevokeKubeconfig extends Command<{ readonly issue_id: string; readonly reason: RevokeReason }, void> {
  static readonly type = 'kubernetes.revoke_kubeconfig';
}
