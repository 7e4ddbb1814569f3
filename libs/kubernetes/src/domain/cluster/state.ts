import type { EventOf } from '#kernel';
import type { ApiRefusal, RefusedStatus } from './api-refusal.js';
import type { clusterEvents } from './events.js';
import { evolveMigration, type Migration } from './migration-state.js';
import { standing, standsAside } from './standing.js';
import { evolveToken, type ServerTokens } from './token-change.js';
import type { Strangers } from './strangers.js';
import { DEFAULT_POLICY, withPolicy, type LifecyclePolicy } from './policy.js';

export type ClusterEvent = EventOf<(typeof clusterEvents)[number]>;
export type NodeRole = 'server' | 'agent';

export interface ClusterNode {
  readonly role: NodeRole;
  readonly status: 'joining' | 'ready' | 'not_ready' | 'draining' | 'orphaned';
  readonly version: string | null;
  readonly nodeName: string | null;
  /** When it came into this state; null where the fold was not told the time. */
  readonly since?: string | null;
  /** It was reported as being in this state for too long. */
  readonly overdue?: boolean;
  readonly lastError?: string | null;
  /** It stood aside, drained or being drained, when it was called not ready: so it does when it is back. */
  readonly aside?: boolean;
}

export interface Cluster extends ServerTokens {
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
  readonly caPem: string | null;
  readonly version: string | null;
  /** Null until the cluster is bootstrapped. */
  readonly apiEndpoint: string | null;
  readonly failover: 'vip' | 'none';
  readonly datastore: 'etcd' | 'external';
  readonly datastoreRef: string | null;
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  readonly since: string | null;
  readonly overdue: boolean;
  readonly lastError: string | null;
  readonly policy: LifecyclePolicy;
  /** Why its certificates, which end soon, cannot be renewed; null when nothing is in the way. */
  readonly renewalBlocked: string | null;
  /** The move of its pods to the overlay, the last one that was begun. */
  readonly migration: Migration | null;
  /** Absent where none was ever seen. */
  readonly strangers?: Strangers | null;
  /** Absent where its API never refused the platform. */
  readonly apiRefused?: ApiRefusal | null;
}

export type ClusterState = { readonly status: 'absent' } | Cluster;
export const absent: ClusterState = { status: 'absent' };

const newNode = {
  role: 'server',
  status: 'joining',
  version: null,
  nodeName: null,
  since: null,
  overdue: false,
  lastError: null,
} as const satisfies ClusterNode;

const withNode = (state: Cluster, instanceId: string, change: Partial<ClusterNode>): Cluster => {
  const known = state.nodes.get(instanceId) ?? newNode;
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
  serverTokenRef: data.server_token_ref ?? null,
  formerTokenRef: null,
  firstTokenRef: null,
  tokenChange: null,
  caPem: null,
  version: null,
  apiEndpoint: null,
  failover: data.vip === null ? 'none' : 'vip',
  datastore: data.datastore ?? 'etcd',
  datastoreRef: data.datastore_ref ?? null,
  nodes: new Map(),
  since: null,
  overdue: false,
  lastError: null,
  policy: DEFAULT_POLICY,
  renewalBlocked: null,
  migration: null,
});

/** Whatever has another state than before is in it since `at`, and what was said of the former one is over. */
const stamped = (before: ClusterState, after: Cluster, at: string | null): Cluster => {
  const known = before.status === 'absent' ? undefined : before;
  const nodes = new Map(after.nodes);
  for (const [id, node] of after.nodes) {
    const was = known?.nodes.get(id);
    if (was?.status === node.status) continue;
    const kept = node.lastError === was?.lastError ? null : (node.lastError ?? null);
    nodes.set(id, { ...node, since: at, overdue: false, lastError: kept });
  }
  if (known?.status === after.status) return { ...after, nodes };
  const kept = after.lastError === known?.lastError ? null : after.lastError;
  return { ...after, nodes, since: at, overdue: false, lastError: kept };
};

/** `at` is when it happened; deciders leave it out, because nothing is decided by it. */
export const evolveCluster = (state: ClusterState, event: ClusterEvent, at: string | null = null): ClusterState => {
  if (event.type === 'system.cluster.claimed') return { ...claimed(event.data), since: at };
  if (state.status === 'absent') return state;
  const next = evolveKnown(state, event, at);
  return next === state ? state : stamped(state, next, at);
};

const evolveKnown = (state: Cluster, event: ClusterEvent, at: string | null): Cluster => {
  switch (event.type) {
    case 'system.cluster.claimed':
      return state;
    case 'system.cluster.claim_moved':
      // The next claimant has as long as the first one had.
      return {
        ...state,
        claimant: event.data.to_instance_id,
        since: at,
        overdue: false,
        lastError: event.data.reason,
      };
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
          // What was drained is still cordoned when it has started anew; one that joins is another node.
          status: standsAside(state.nodes.get(event.data.instance_id)) ? 'draining' : 'ready',
          version: event.data.version,
          nodeName: event.data.node_name,
          aside: false,
        },
      );
    case 'system.k3s.cluster.degraded':
      return { ...state, status: 'degraded', lastError: event.data.reason };
    case 'system.k3s.cluster.recovered':
      return { ...state, status: 'active' };
    case 'system.k3s.cluster.decommissioned':
      return { ...state, status: 'decommissioned', nodes: new Map() };
    case 'system.k3s.handshake.join_token_issued':
    case 'system.k3s.handshake.join_refused':
    case 'system.cluster_bootstrap.pod_subnet_prefix_ignored':
      return state;
    default:
      return evolveNodes(state, event, at);
  }
};

type LaterEvent = Extract<
  ClusterEvent,
  {
    type:
      | `system.k3s.${'node' | 'pod_network' | 'certificates'}.${string}`
      | `${string}.stopped`
      | `${string}.${'overdue' | 'lifecycle_policy_set' | `${'server_token' | 'strangers' | 'api'}_${string}`}`;
  }
>;

const evolveNodes = (state: Cluster, event: LaterEvent, at: string | null): Cluster => {
  switch (event.type) {
    case 'system.k3s.handshake.stopped':
      return withNode(state, event.data.instance_id, { status: 'not_ready', lastError: 'k3s was stopped' });
    case 'system.k3s.node.not_ready':
    case 'system.k3s.node.ready':
    case 'system.k3s.node.uncordoned':
    case 'system.k3s.node.draining':
      return withNode(state, event.data.instance_id, standing(state.nodes.get(event.data.instance_id), event));
    case 'system.k3s.node.orphan_reaped':
      return state; // Its removal follows in the same append.
    case 'system.k3s.node.removed':
      return evolveMigrationOf(withoutNode(state, event.data.instance_id), event);
    case 'system.k3s.node.overdue':
      return withNode(state, event.data.instance_id, { overdue: true, lastError: event.data.reason });
    case 'system.k3s.node.orphaned':
      return withNode(state, event.data.instance_id, { status: 'orphaned', lastError: event.data.reason });
    default:
      return evolveCare(state, event, at);
  }
};

type CareEvent = Extract<LaterEvent, { type: `system.k3s.${'cluster' | 'pod_network' | 'certificates'}.${string}` }>;

const evolveCare = (state: Cluster, event: CareEvent, at: string | null): Cluster => {
  switch (event.type) {
    case 'system.k3s.cluster.overdue':
      return { ...state, overdue: true, lastError: event.data.reason };
    case 'system.k3s.cluster.lifecycle_policy_set':
      return { ...state, policy: withPolicy(state.policy, event.data) };
    case 'system.k3s.cluster.server_token_changing':
    case 'system.k3s.cluster.server_token_changed':
    case 'system.k3s.cluster.server_token_kept':
      return evolveToken(state, event);
    case 'system.k3s.certificates.renewal_blocked':
      return { ...state, renewalBlocked: event.data.reason };
    case 'system.k3s.certificates.renewal_unblocked':
      return { ...state, renewalBlocked: null };
    case 'system.k3s.cluster.strangers_found': {
      const { count, names, reason, next_action: nextAction } = event.data;
      return { ...state, strangers: { count, names, reason, nextAction } };
    }
    case 'system.k3s.cluster.strangers_gone':
      return { ...state, strangers: null };
    case 'system.k3s.cluster.api_refused': {
      const { status, reason, next_action: nextAction } = event.data;
      return { ...state, apiRefused: { status: status as RefusedStatus, reason, nextAction } };
    }
    case 'system.k3s.cluster.api_accepted':
      return { ...state, apiRefused: null };
    case 'system.k3s.pod_network.migration_started':
      return evolveMigrationOf({ ...state, podCidr: event.data.pod_cidr }, event);
    case 'system.k3s.pod_network.node_started':
    case 'system.k3s.pod_network.node_migrated':
    case 'system.k3s.pod_network.migration_paused':
    case 'system.k3s.pod_network.migration_resumed':
    case 'system.k3s.pod_network.migration_completed':
      return evolveMigrationOf(state, event, at);
    default:
      return state; // The work on its nodes (node-work) stands in this stream, too.
  }
};

const evolveMigrationOf = (
  state: Cluster,
  event: Parameters<typeof evolveMigration>[1],
  at: string | null = null,
): Cluster => {
  const migration = evolveMigration(state.migration, event, at);
  return migration === state.migration ? state : { ...state, migration };
};

/**
 * How many servers may be lost before the API is gone. Embedded etcd needs a majority of its members, and a member that is
 * down already counts against it; servers on an external datastore only need one of them to be left.
 */
export const faultTolerance = (cluster: Pick<Cluster, 'nodes' | 'datastore'>): number => {
  const servers = [...cluster.nodes.values()].filter((node) => node.role === 'server' && node.status !== 'joining');
  const alive = servers.filter((node) => node.status === 'ready' || node.status === 'draining').length;
  const needed = cluster.datastore === 'external' ? 1 : Math.floor(servers.length / 2) + 1;
  return Math.max(0, alive - needed);
};
