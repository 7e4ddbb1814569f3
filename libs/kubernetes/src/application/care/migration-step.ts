import type { MigrationCommand } from '../../domain/cluster/decide-care.js';
import type { Cluster } from '../../domain/cluster/state.js';

export interface MigrationFacts {
  /** What the network of the cluster says now. */
  readonly podSubnetPrefix: string | null;
  /** The overlay routes pods to the node: its range is known. */
  readonly isRouted: (instanceId: string) => boolean;
  /** The agent's word: K3s runs with the wanted arguments and answers. */
  readonly runsAsWanted: (instanceId: string) => 'yes' | 'not_yet' | 'unknown';
  readonly name: (instanceId: string) => string;
  /** For how long nothing has moved, as this process has seen it. */
  readonly blockedMs: number;
  /** What else restarts servers one by one now, each with its own gates: of two at once etcd would lose two members. */
  readonly otherWork?: string | undefined;
}

/**
 * The next step of a move of the pod network to the overlay, if there is one now. A node is begun only while all others are
 * healthy, and the next one only when it is healthy again itself; what takes too long pauses the whole for an operator.
 */
export const migrationStep = (cluster: Cluster, facts: MigrationFacts, nowMs: number): MigrationCommand | undefined => {
  const { migration } = cluster;
  if (migration === null || migration.state === 'completed') return begin(cluster, facts);
  if (migration.state === 'paused') return undefined;
  if (migration.current !== null) return watch(cluster, migration.current, migration.currentSince, facts, nowMs);
  const [next] = migration.pending;
  if (next === undefined) return { type: 'complete_migration' };
  const hindrance =
    facts.otherWork ??
    unhealthy(cluster, facts) ??
    (facts.isRouted(next)
      ? undefined
      : `no pod range of ${facts.name(next)} within ${migration.podCidr} is known to the overlay`);
  if (hindrance === undefined) return { type: 'migrate_node', instanceId: next };
  return facts.blockedMs > cluster.policy.migration_node_seconds * 1_000
    ? { type: 'pause_migration', instanceId: next, reason: `${facts.name(next)} was not begun: ${hindrance}` }
    : undefined;
};

const begin = (cluster: Cluster, facts: MigrationFacts): MigrationCommand | undefined => {
  const { networkId, podCidr, cniPlugin, status } = cluster;
  if (facts.podSubnetPrefix === null || networkId === null || podCidr !== null) return undefined;
  if (facts.otherWork !== undefined) return undefined;
  if (cniPlugin !== 'flannel' || (status !== 'active' && status !== 'degraded')) return undefined;
  const rank = (id: string) => `${cluster.nodes.get(id)?.role === 'server' ? 0 : 1} ${facts.name(id)}`;
  const order = [...cluster.nodes.keys()].sort((a, b) => rank(a).localeCompare(rank(b)));
  return { type: 'start_migration', networkId, podCidr: facts.podSubnetPrefix, order };
};

const unhealthy = (cluster: Cluster, facts: MigrationFacts): string | undefined => {
  const bad = [...cluster.nodes].filter(([, node]) => node.status !== 'ready' && node.status !== 'draining');
  if (bad.length === 0) return undefined;
  return bad.map(([id, node]) => `${facts.name(id)} is ${node.status}`).join(', ');
};

const watch = (
  cluster: Cluster,
  instanceId: string,
  since: string | null,
  facts: MigrationFacts,
  nowMs: number,
): MigrationCommand | undefined => {
  const runs = facts.runsAsWanted(instanceId);
  const node = cluster.nodes.get(instanceId);
  if (runs === 'yes' && (node?.status === 'ready' || node?.status === 'draining'))
    return { type: 'node_migrated', instanceId };
  const late = since !== null && nowMs - Date.parse(since) > cluster.policy.migration_node_seconds * 1_000;
  if (!late) return undefined;
  const name = facts.name(instanceId);
  const reason =
    runs === 'unknown'
      ? `the agent of ${name} does not say what its K3s runs with: it is not connected, or older than this feature`
      : runs === 'not_yet'
        ? `K3s on ${name} does not run with the new arguments yet, or does not answer`
        : `${name} is ${node?.status ?? 'no member'}`;
  return { type: 'pause_migration', instanceId, reason };
};
