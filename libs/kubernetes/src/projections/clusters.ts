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

/** A cluster as operators see it; nodes are a list here, because documents are JSON. */
export interface ClusterDoc extends Omit<Cluster, 'nodes'> {
  readonly accountId: string;
  readonly createdAt: string;
  readonly nodes: readonly (ClusterNode & { readonly instanceId: string })[];
}

const toState = (doc: ClusterDoc): Cluster => ({
  ...doc,
  nodes: new Map(doc.nodes.map(({ instanceId, ...node }) => [instanceId, node])),
});

const fold = (doc: ClusterDoc | undefined, event: RecordedEvent): ClusterDoc | undefined => {
  const known = { type: event.type, data: event.data } as unknown as ClusterEvent;
  const next = evolveCluster(doc === undefined ? absent : toState(doc), known, event.meta.occurredAt);
  if (next.status === 'absent') return undefined;
  return {
    ...next,
    accountId: doc?.accountId ?? event.meta.accountId,
    createdAt: doc?.createdAt ?? event.meta.occurredAt,
    nodes: [...next.nodes].map(([instanceId, node]) => ({ instanceId, ...node })),
  };
};

export const clustersProjection = defineProjection<ClusterDoc>({
  name: 'kubernetes_clusters',
  version: 3,
  keys: (event) =>
    typeof event.data['cluster_id'] === 'string' && isClusterEvent(event) ? [event.data['cluster_id']] : [],
  fold: (doc, event) => fold(doc, event),
  columns: (doc) => ({ account: doc.accountId, name: doc.name, status: doc.status }),
  columnTypes: { name: 'text', status: 'text' },
});

/** Events of other streams may carry a cluster id as well (virtual IPs do); those are about something else. */
const isClusterEvent = (event: RecordedEvent): boolean => event.stream === event.data['cluster_id'];

export const clusterWarnings = (doc: ClusterDoc): string[] => {
  const servers = doc.nodes.filter((node) => node.role === 'server').length;
  const warnings: string[] = [];
  if (faultTolerance(toState(doc)) === 0 && doc.status !== 'decommissioned') {
    const cure =
      doc.datastore === 'external' ? 'a second server survives the first' : 'etcd survives a loss from three on';
    warnings.push(`fault_tolerance is 0 with ${servers} server${servers === 1 ? '' : 's'}: ${cure}`);
  }
  if (doc.failover === 'none') warnings.push('failover: none; the endpoint is one instance’s own address');
  return warnings;
};

export const toleranceOf = (doc: ClusterDoc): number => faultTolerance(toState(doc));
