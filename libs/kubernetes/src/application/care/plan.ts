import { clusterBoundSeconds, clusterNext, nodeBoundSeconds, nodeNext } from '../../domain/cluster/outlook.js';
import type { Cluster, ClusterNode } from '../../domain/cluster/state.js';
import { noQuorum } from '../../domain/quorum.js';
import type { CareCommand } from '../../domain/cluster/decide-care.js';

/** What is known of the instance behind a node or a claim. */
export interface InstanceFacts {
  readonly online: boolean;
  /** Since when it is or is not. */
  readonly presenceSince: string | null;
  /** Why its runtime could not be brought up, or its join was refused. */
  readonly problem: string | null;
  /** One of its modules belongs to the cluster. */
  readonly assigned: boolean;
}
export interface Facts {
  /** Undefined when it is gone: terminated or forgotten. */
  readonly instance: (id: string) => InstanceFacts | undefined;
  /** For how many milliseconds this process has seen that nothing belongs to a node any more. */
  readonly strayMs: (id: string) => number;
}
export type CareAction =
  | { readonly kind: 'command'; readonly command: CareCommand }
  | { readonly kind: 'pass_claim'; readonly reason: string };

/** Terminations and changes of a template pass through here; they have their own process, which is a matter of seconds. */
const STRAY_MS = 30_000;

const ageSeconds = (since: string | null | undefined, nowMs: number): number =>
  since === null || since === undefined ? 0 : (nowMs - Date.parse(since)) / 1_000;

/** Everything that is due for a cluster now. Pure: it is asked again and again, and the cluster's stream decides. */
export const careFor = (cluster: Cluster, facts: Facts, nowMs: number): CareAction[] => [
  ...bootstrapCare(cluster, facts, nowMs),
  ...overdueCluster(cluster, facts, nowMs),
  ...[...cluster.nodes].flatMap(([id, node]) => nodeCare(cluster, id, node, facts, nowMs)),
];

/** A claim that leads nowhere goes to another server. Nothing is lost by that: nobody knows what was begun. */
const bootstrapCare = (cluster: Cluster, facts: Facts, nowMs: number): CareAction[] => {
  if (cluster.status !== 'bootstrapping' || cluster.kubeconfigDigest !== null) return [];
  const { claimant, policy } = cluster;
  const instance = facts.instance(claimant);
  if (instance === undefined) return [{ kind: 'pass_claim', reason: `${claimant} is gone` }];
  const away = instance.online ? 0 : ageSeconds(instance.presenceSince, nowMs);
  if (away > policy.claimant_lost_seconds)
    return [{ kind: 'pass_claim', reason: `${claimant} has been lost for ${Math.round(away)} s` }];
  const stuck = cluster.overdue && policy.on_stuck_bootstrap === 'move_claim';
  const why = instance.problem ?? 'no success within its deadline';
  return stuck ? [{ kind: 'pass_claim', reason: `${claimant}: ${why}` }] : [];
};

const overdueCluster = (cluster: Cluster, facts: Facts, nowMs: number): CareAction[] => {
  const bound = clusterBoundSeconds(cluster.status, cluster.policy);
  if (bound === null || cluster.overdue || ageSeconds(cluster.since, nowMs) <= bound) return [];
  const claimant = facts.instance(cluster.claimant);
  const reason =
    cluster.status === 'degraded'
      ? (cluster.lastError ?? 'some of its nodes are not ready')
      : (claimant?.problem ??
        (claimant?.online === true ? 'its first server is not ready yet' : 'its first server is lost'));
  const next = clusterNext(cluster) ?? '';
  return [{ kind: 'command', command: { type: 'cluster_overdue', ...overdue(cluster, bound, reason, next) } }];
};

const overdue = (
  { status, since }: { readonly status: string; readonly since?: string | null },
  boundSeconds: number,
  reason: string,
  nextAction: string,
) => ({ state: status, since: since!, boundSeconds, reason, nextAction });

const nodeCare = (
  cluster: Cluster,
  instanceId: string,
  node: ClusterNode,
  facts: Facts,
  nowMs: number,
): CareAction[] => {
  const { policy } = cluster;
  const instance = facts.instance(instanceId);
  const stray = strayReason(instance);
  if (stray !== undefined && node.status !== 'orphaned')
    return facts.strayMs(instanceId) < STRAY_MS
      ? []
      : [{ kind: 'command', command: { type: 'orphan', instanceId, reason: stray } }];
  const bound = nodeBoundSeconds(node.status, policy);
  if (bound === null || ageSeconds(node.since, nowMs) <= bound) return [];
  const waits = node.status === 'joining' ? noQuorum(cluster)?.reason : undefined;
  const reason =
    waits ??
    instance?.problem ??
    node.lastError ??
    (instance?.online === false ? 'its instance is lost' : 'no reason was told');
  const reap =
    (node.status === 'orphaned' && policy.on_orphan === 'reap') ||
    (node.status === 'joining' && policy.on_stuck_join === 'reap' && node.overdue === true);
  if (reap) return [{ kind: 'command', command: { type: 'reap_orphan', instanceId, reason } }];
  if (node.overdue === true) return [];
  const said = overdue(node, bound, reason, nodeNext(node.status, policy, cluster) ?? '');
  return [{ kind: 'command', command: { type: 'node_overdue', instanceId, ...said } }];
};

export const strayReason = (instance: InstanceFacts | undefined): string | undefined =>
  instance === undefined
    ? 'its instance is gone'
    : instance.assigned
      ? undefined
      : 'no module of its instance belongs to this cluster any more';
