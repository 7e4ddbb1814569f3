import { defineProjection } from '#processing';

export interface ClusterReferenceDoc {
  readonly account: string;
  readonly cluster_id: string;
  readonly name: string;
  readonly network_id: string | null;
  readonly pod_cidr: string | null;
  readonly flannel: boolean;
}

/** What K3s takes when it is told nothing. */
const K3S_POD_CIDR = '10.42.0.0/16';

/**
 * Which clusters lean on which network. Read from the Kubernetes context's events by name: that context stands above this
 * one, and this one only needs to know what it must not pull away.
 */
export const clusterReferences = defineProjection<ClusterReferenceDoc>({
  name: 'sdwan_cluster_references',
  version: 2,
  keys: (event) =>
    event.type === 'system.cluster.claimed' || event.type === 'system.k3s.cluster.decommissioned'
      ? [String(event.data.cluster_id)]
      : [],
  fold(_doc, event) {
    if (event.type !== 'system.cluster.claimed') return undefined;
    return {
      account: event.meta.accountId,
      cluster_id: String(event.data.cluster_id),
      name: String(event.data.name),
      network_id: typeof event.data.network_id === 'string' ? event.data.network_id : null,
      pod_cidr: typeof event.data.pod_cidr === 'string' ? event.data.pod_cidr : K3S_POD_CIDR,
      flannel: event.data.cni_plugin === 'flannel',
    };
  },
  columns: ({ account, network_id }) => ({ account, network_id }),
  columnTypes: { network_id: 'text' },
});
