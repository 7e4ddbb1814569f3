import type { ClusterId, InstanceId } from '#kernel';
import { Command } from '#processing';
import type { PolicyChange } from '../domain/cluster/policy.js';

interface OnInstance {
  readonly instance_id: InstanceId;
}
interface OnCluster {
  readonly cluster_id: ClusterId;
}

/** An instance has the k3s-server module, an SDWAN peer and an agent: let it claim or join its assignment's cluster. */
export class ClaimCluster extends Command<
  OnInstance & { readonly assignment_id: string },
  { readonly cluster_id: ClusterId } | null
> {
  static readonly type = 'kubernetes.claim_cluster';
}

/** Makes the VIP's candidates what the cluster's ready servers are. */
export class SyncVipCandidates extends Command<OnCluster, void> {
  static readonly type = 'kubernetes.sync_vip_candidates';
}

/** VIP away first, then cordon and evict, then the instance is drained. Safe to repeat. */
export class DrainNode extends Command<
  OnInstance & { readonly timeout_seconds: number; readonly requested_at_ms?: number },
  void
> {
  static readonly type = 'kubernetes.drain_node';
}

export class UncordonNode extends Command<OnInstance, void> {
  static readonly type = 'kubernetes.uncordon_node';
}

/** The instance is gone for good: its VIPs move, its cluster node is removed. */
export class RemoveNode extends Command<OnInstance & { readonly reason: string }, void> {
  static readonly type = 'kubernetes.remove_node';
}

/** Removes what a removed member left in Kubernetes: etcd member, Node object, node password. Safe to repeat. */
export class CleanUpNode extends Command<OnInstance & OnCluster & { readonly node_name: string }, void> {
  static readonly type = 'kubernetes.clean_up_node';
}
export class RecordCleanUpFailed extends Command<
  OnInstance & OnCluster & { readonly node_name: string; readonly reason: string },
  void
> {
  static readonly type = 'kubernetes.record_clean_up_failed';
}

/** Makes the cluster's state what its nodes' states say: degraded, or recovered. Level-triggered. */
export class JudgeCluster extends Command<OnCluster, void> {
  static readonly type = 'kubernetes.judge_cluster';
}

export class SetLifecyclePolicy extends Command<OnCluster & { readonly change: PolicyChange }, void> {
  static readonly type = 'kubernetes.set_lifecycle_policy';
}
export class ResumeMigration extends Command<OnCluster, void> {
  static readonly type = 'kubernetes.resume_migration';
}

export class DecommissionCluster extends Command<OnCluster, { readonly freed: readonly string[] }> {
  static readonly type = 'kubernetes.decommission_cluster';
}
