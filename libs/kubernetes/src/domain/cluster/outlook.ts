import { isoTime } from '#kernel';
import { noQuorum } from '../quorum.js';
import type { LifecyclePolicy } from './policy.js';
import type { Cluster, ClusterNode } from './state.js';

/** How long a cluster may be in a state before an operator hears of it; null where it may stay. */
export const clusterBoundSeconds = (status: Cluster['status'], policy: LifecyclePolicy): number | null =>
  status === 'bootstrapping' ? policy.bootstrap_seconds : status === 'degraded' ? policy.degraded_seconds : null;

const NODE_BOUNDS = {
  joining: 'join_seconds',
  not_ready: 'not_ready_seconds',
  draining: 'drain_seconds',
  orphaned: 'orphan_seconds',
} as const;

export const nodeBoundSeconds = (status: ClusterNode['status'], policy: LifecyclePolicy): number | null =>
  status === 'ready' ? null : policy[NODE_BOUNDS[status]];

/** What happens next, and by whom; null where nothing does by itself. */
export const clusterNext = (
  cluster: Pick<
    Cluster,
    'status' | 'kubeconfigRef' | 'claimant' | 'policy' | 'nodes' | 'datastore' | 'strangers' | 'apiRefused'
  >,
): string | null => {
  const quorum = noQuorum(cluster);
  if (quorum !== undefined && cluster.status !== 'decommissioned')
    // A member is removed by a write: without a quorum nobody can be forgotten out of etcd.
    return `bring ${quorum.away.join(', ')} back; gone for good: kubernetes_restore_snapshot onto a server that is left (its data are of the snapshot then)`;
  if (cluster.status === 'degraded')
    return 'bring its nodes back, or system_forget_instance what is gone for good; kubernetes_list_nodes says which';
  if (cluster.status === 'active') return cluster.apiRefused?.nextAction ?? cluster.strangers?.nextAction ?? null;
  if (cluster.status !== 'bootstrapping') return null;
  if (cluster.kubeconfigRef !== null) return 'the first server reports ready';
  const moves =
    cluster.policy.on_stuck_bootstrap === 'move_claim' ? '; after the deadline another server takes over' : '';
  return `the agent of ${cluster.claimant} installs K3s and bootstraps${moves}; its log and system_get_instance say how far it is`;
};

export const nodeNext = (
  status: ClusterNode['status'],
  policy: LifecyclePolicy,
  cluster?: Pick<Cluster, 'nodes' | 'datastore'>,
): string | null => {
  const quorum = cluster && noQuorum(cluster);
  if (status === 'joining' && quorum !== undefined)
    return `waits until etcd has a quorum again, nobody can join before: ${quorum.reason}`;
  switch (status) {
    case 'joining':
      return policy.on_stuck_join === 'reap'
        ? 'its agent goes on trying; after the deadline it is removed and joins anew'
        : 'its agent goes on trying; system_get_instance shows its last error';
    case 'not_ready':
      return 'look at k3s on the machine; system_forget_instance gives up a machine that is gone for good';
    case 'draining':
      return 'system_uncordon_instance puts it back to work; system_terminate_instance ends it';
    case 'orphaned':
      return policy.on_orphan === 'reap'
        ? 'assign the module again, or it is reaped when its deadline passes'
        : 'assign the module again, or remove it with system_forget_instance';
    default:
      return null;
  }
};

/** A paused migration is the operator's; a running one goes on by itself. */
export const migrationNext = (
  migration: Pick<NonNullable<Cluster['migration']>, 'state' | 'current'>,
): string | null => {
  if (migration.state === 'completed') return null;
  if (migration.state === 'paused')
    return 'put right what the reason names, then kubernetes_resume_pod_network_migration; a machine that is gone for good: system_forget_instance';
  return migration.current === null
    ? 'the next node begins when all are ready'
    : `${migration.current} restarts K3s with the new arguments and is watched until it is ready`;
};

export interface Deadline {
  readonly state: string;
  readonly since: string;
  readonly at: string;
  readonly overdue: boolean;
}

/** For answers: until when the present state should be over. */
export const deadlineOf = (
  { status, since, overdue }: { readonly status: string; readonly since?: string | null; readonly overdue?: boolean },
  seconds: number | null,
): Deadline | null => {
  if (seconds === null || since === undefined || since === null) return null;
  const at = isoTime(Date.parse(since) + seconds * 1_000);
  return { state: status, since, at, overdue: overdue === true };
};
