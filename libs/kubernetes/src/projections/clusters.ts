import type { RecordedEvent } from '#event-store';
import { defineProjection } from '#processing';
import {
  absent,
  evolveCluster,
  faultTolerance,
  type Cluster,
  type ClusterEvent,
  type ClusterNode,
} from '../domain/cluster/state.js';
import { noQuorum } from '../domain/quorum.js';
import { clusterWantedAfter, noCluster, ROLLOUT_WISHES, type ClusterWanted } from './cluster-wanted.js';

/** A cluster as operators see it; nodes are a list here, because documents are JSON. */
export interface ClusterDoc extends Omit<Cluster, 'nodes'> {
  readonly accountId: string;
  readonly createdAt: string;
  readonly nodes: readonly (ClusterNode & { readonly instanceId: string })[];
  readonly wanted: ClusterWanted;
}

export const clusterOfDoc = (doc: ClusterDoc): Cluster => ({
  ...doc,
  nodes: new Map(doc.nodes.map(({ instanceId, ...node }) => [instanceId, node])),
});

const fold = (doc: ClusterDoc | undefined, event: RecordedEvent): ClusterDoc | undefined => {
  const wanted = clusterWantedAfter(doc?.wanted ?? noCluster, event);
  if (ROLLOUT_WISHES.includes(event.type)) return doc && { ...doc, wanted };
  const known = { type: event.type, data: event.data } as unknown as ClusterEvent;
  const next = evolveCluster(doc === undefined ? absent : clusterOfDoc(doc), known, event.meta.occurredAt);
  if (next.status === 'absent') return undefined;
  return {
    ...next,
    accountId: doc?.accountId ?? event.meta.accountId,
    createdAt: doc?.createdAt ?? event.meta.occurredAt,
    nodes: [...next.nodes].map(([instanceId, node]) => ({ instanceId, ...node })),
    wanted,
  };
};

export const clustersProjection = defineProjection<ClusterDoc>({
  name: 'kubernetes_clusters',
  version: 5,
  keys: (event) =>
    typeof event.data['cluster_id'] === 'string' && isClusterEvent(event) ? [event.data['cluster_id']] : [],
  fold: (doc, event) => fold(doc, event),
  columns: (doc) => ({ account: doc.accountId, name: doc.name, status: doc.status }),
  columnTypes: { name: 'text', status: 'text' },
});

/** Events of other streams may carry a cluster id as well (virtual IPs do); those are about something else. */
const isClusterEvent = (event: RecordedEvent): boolean =>
  event.stream === event.data['cluster_id'] || ROLLOUT_WISHES.includes(event.type);

export const clusterWarnings = (doc: ClusterDoc): string[] => {
  const servers = doc.nodes.filter((node) => node.role === 'server').length;
  const warnings: string[] = [];
  const quorum = doc.status === 'decommissioned' ? undefined : noQuorum(clusterOfDoc(doc));
  if (quorum !== undefined) warnings.push(quorum.reason);
  if (faultTolerance(clusterOfDoc(doc)) === 0 && doc.status !== 'decommissioned') {
    const cure =
      doc.datastore === 'external' ? 'a second server survives the first' : 'etcd survives a loss from three on';
    warnings.push(`fault_tolerance is 0 with ${servers} server${servers === 1 ? '' : 's'}: ${cure}`);
  }
  if (doc.datastore === 'external' && doc.status !== 'decommissioned')
    warnings.push(
      'the datastore is yours to protect: servers may be lost, but without the database the cluster is gone, and snapshots here do not hold it',
    );
  if (doc.apiRefused != null && doc.status !== 'decommissioned') warnings.push(doc.apiRefused.reason);
  if (doc.strangers != null && doc.status !== 'decommissioned') warnings.push(doc.strangers.reason);
  if (doc.failover === 'none') warnings.push('failover: none; the endpoint is one instance’s own address');
  return warnings;
};

export const toleranceOf = (doc: ClusterDoc): number => faultTolerance(clusterOfDoc(doc));
