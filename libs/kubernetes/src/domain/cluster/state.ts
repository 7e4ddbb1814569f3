import { assertNever, type EventOf } from '#kernel';
import type { clusterEvents } from './events.js';

export type ClusterEvent = EventOf<(typeof clusterEvents)[number]>;
export type NodeRole = 'server' | 'agent';

export interface ClusterNode {
  readonly role: NodeRole;
  readonly status: 'joining' | 'ready' | 'not_ready' | 'draining';
  readonly version: string | null;
  readonly nodeName: string | null;
}

export interface Cluster {
  readonly status: 'bootstrapping' | 'active' | 'degraded' | 'decommissioned';
  readonly id: string;
  readonly name: string;
  readonly assignmentId: string;
  readonly templateId: string;
  readonly claimant: string;
  readonly networkId: string | null;
  readonly virtualIpId: string | null;
  readonly vip: string | null;
  readonly cniPlugin: 'flannel' | 'ovn_kubernetes';
  readonly podCidr: string | null;
  /** Null until the bootstrap handshake. */
  readonly kubeconfigRef: string | null;
  readonly kubeconfigDigest: string | null;
  readonly serverTokenRef: string | null;
  readonly caPem: string | null;
  readonly version: string | null;
  /** Null until the cluster is bootstrapped. */
  readonly apiEndpoint: string | null;
  readonly failover: 'vip' | 'none';
  readonly nodes: ReadonlyMap<string, ClusterNode>;
}

export type ClusterState = { readonly status: 'absent' } | Cluster;
export const absent: ClusterState = { status: 'absent' };

const withNode = (
  state: Cluster,
  instanceId: string,
  change: Partial<ClusterNode>,
  role: NodeRole = 'server',
): Cluster => {
  const known = state.nodes.get(instanceId) ?? { role, status: 'joining' as const, version: null, nodeName: null };
  return { ...state, nodes: new Map(state.nodes).set(instanceId, { ...known, ...change }) };
};

const withoutNode = (state: Cluster, instanceId: string): Cluster => {
  const nodes = new Map(state.nodes);
  nodes.delete(instanceId);
  return { ...state, nodes };
};

const claimed = (data: Extract<ClusterEvent, { type: 'system.cluster.claimed' }>['data']): Cluster => ({
  status: 'bootstrapping',
  id: data.cluster_id,
  name: data.name,
  assignmentId: data.assignment_id,
  templateId: data.template_id,
  claimant: data.claimant_instance_id,
  networkId: data.network_id,
  virtualIpId: data.virtual_ip_id,
  vip: data.vip,
  cniPlugin: data.cni_plugin,
  podCidr: data.pod_cidr,
  kubeconfigRef: null,
  kubeconfigDigest: null,
  serverTokenRef: null,
  caPem: null,
  version: null,
  apiEndpoint: null,
  failover: data.vip === null ? 'none' : 'vip',
  nodes: new Map(),
});

export const evolveCluster = (state: ClusterState, event: ClusterEvent): ClusterState => {
  if (event.type === 'system.cluster.claimed') return claimed(event.data);
  if (state.status === 'absent') return state;
  switch (event.type) {
    case 'system.cluster.claim_moved':
      return { ...state, claimant: event.data.to_instance_id };
    case 'system.k3s.handshake.bootstrap':
      return withNode(
        {
          ...state,
          kubeconfigRef: event.data.kubeconfig_ref,
          kubeconfigDigest: event.data.kubeconfig_digest,
          serverTokenRef: event.data.server_token_ref,
          caPem: event.data.ca_pem,
          version: event.data.k8s_version,
        },
        event.data.instance_id,
        { role: 'server', version: event.data.k8s_version },
      );
    case 'system.k3s.cluster.bootstrapped':
      return { ...state, apiEndpoint: event.data.api_endpoint, failover: event.data.failover };
    case 'system.k3s.handshake.join_request':
      return withNode(state, event.data.instance_id, { role: event.data.role, status: 'joining' });
    case 'system.k3s.handshake.ready':
      return withNode(
        { ...state, status: state.status === 'bootstrapping' ? 'active' : state.status },
        event.data.instance_id,
        {
          role: event.data.role,
          status: 'ready',
          version: event.data.version,
          nodeName: event.data.node_name,
        },
      );
    case 'system.k3s.handshake.stopped':
    case 'system.k3s.node.not_ready':
      return withNode(state, event.data.instance_id, { status: 'not_ready' });
    case 'system.k3s.node.ready':
    case 'system.k3s.node.uncordoned':
      return withNode(state, event.data.instance_id, { status: 'ready' });
    case 'system.k3s.node.draining':
      return withNode(state, event.data.instance_id, { status: 'draining' });
    case 'system.k3s.node.removed':
      return withoutNode(state, event.data.instance_id);
    case 'system.k3s.cluster.degraded':
      return { ...state, status: 'degraded' };
    case 'system.k3s.cluster.recovered':
      return { ...state, status: 'active' };
    case 'system.k3s.cluster.decommissioned':
      return { ...state, status: 'decommissioned', nodes: new Map() };
    case 'system.k3s.handshake.join_token_issued':
    case 'system.k3s.handshake.join_refused':
    case 'system.cluster_bootstrap.pod_subnet_prefix_ignored':
      return state;
    default:
      return assertNever(event);
  }
};

/** How many servers may be lost before the API is gone: etcd needs a majority of its members. */
export const faultTolerance = (cluster: Pick<Cluster, 'nodes'>): number => {
  const servers = [...cluster.nodes.values()].filter((node) => node.role === 'server').length;
  return Math.max(0, Math.ceil(servers / 2) - 1);
};
