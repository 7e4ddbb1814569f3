import { accept, assertNever, nothing, refusal, reject, type Decider, type Decision, type EventLinks } from '#kernel';
import {
  ClusterBootstrapped,
  ClusterClaimed,
  ClusterClaimMoved,
  ClusterDecommissioned,
  ClusterDegraded,
  ClusterRecovered,
  HandshakeBootstrap,
  HandshakeJoinRequest,
  HandshakeJoinTokenIssued,
  HandshakeReady,
  HandshakeStopped,
  NodeDraining,
  NodeNotReady,
  NodeReadyAgain,
  NodeRemoved,
  NodeUncordoned,
  PodSubnetPrefixIgnored,
} from './events.js';
import { decideAccess, isAccessCommand, type AccessCommand } from './decide-access.js';
import { decideCare, decideMigration, type CareCommand, type MigrationCommand } from './decide-care.js';
import { saysMore } from './node-trouble.js';
import { nobodyToJoin } from './nobody-to-join.js';
import { decideToken, isTokenCommand, type TokenCommand } from './decide-token.js';
import { standsAside } from './standing.js';
import { absent, evolveCluster, type Cluster, type ClusterEvent, type ClusterState, type NodeRole } from './state.js';

type ClaimData = Parameters<typeof ClusterClaimed>[0];

export type ClusterCommand =
  | { readonly type: 'claim'; readonly claim: ClaimData; readonly ignoredPodPrefix: string | null }
  | {
      readonly type: 'move_claim';
      /** The claimant that it was decided about; another one meanwhile keeps the claim. */
      readonly from?: string;
      readonly to: string;
      readonly reason: string;
    }
  | {
      readonly type: 'bootstrap';
      readonly instanceId: string;
      readonly version: string;
      readonly kubeconfigRef: string;
      readonly kubeconfigDigest: string;
      readonly serverTokenRef: string;
      readonly caPem: string;
    }
  | { readonly type: 'mark_bootstrapped'; readonly apiEndpoint: string; readonly failover: 'vip' | 'none' }
  | {
      readonly type: 'request_join';
      readonly instanceId: string;
      readonly role: NodeRole;
      readonly target: string | null;
      /** A snapshot is being restored there: it joins nobody. */
      readonly restoring?: true;
    }
  | {
      readonly type: 'issue_join_token';
      readonly instanceId: string;
      readonly role: NodeRole;
      readonly tokenId: string;
      readonly expiresAt: string | null;
    }
  | {
      readonly type: 'ready';
      readonly instanceId: string;
      readonly role: NodeRole;
      readonly version: string;
      readonly nodeName: string;
    }
  | { readonly type: 'stopped' | 'draining' | 'uncordoned' | 'ready_again'; readonly instanceId: string }
  | { readonly type: 'not_ready' | 'remove_node'; readonly instanceId: string; readonly reason: string }
  | { readonly type: 'degrade'; readonly reason: string }
  | { readonly type: 'recover' }
  | { readonly type: 'decommission' }
  | TokenCommand
  | AccessCommand
  | CareCommand
  | MigrationCommand;

const id = (value: string) => value as never;

const linksOf = (state: Cluster, instance?: string): EventLinks => ({
  cluster: state.id,
  ...(state.networkId === null ? {} : { network: state.networkId }),
  ...(instance === undefined ? {} : { instance }),
});

/** A worker's later steps are found under `system.k3s.handshake.join` too, as the tutorial's query expects. */
const JOIN_TOPIC = 'system.k3s.handshake.join';

const decideClaim = (c: Extract<ClusterCommand, { type: 'claim' }>, state: ClusterState): Decision<ClusterEvent> => {
  if (state.status !== 'absent') return nothing('already_claimed');
  const links = {
    cluster: c.claim.cluster_id,
    instance: c.claim.claimant_instance_id,
    ...(c.claim.network_id === null ? {} : { network: c.claim.network_id }),
  };
  const ignored =
    c.ignoredPodPrefix === null || c.claim.network_id === null
      ? []
      : [
          PodSubnetPrefixIgnored(
            { cluster_id: c.claim.cluster_id, network_id: c.claim.network_id, pod_subnet_prefix: c.ignoredPodPrefix },
            { links },
          ),
        ];
  return accept<ClusterEvent>(ClusterClaimed(c.claim, { links }), ...ignored);
};

const decideBootstrap = (c: Extract<ClusterCommand, { type: 'bootstrap' }>, state: Cluster): Decision<ClusterEvent> => {
  if (state.kubeconfigDigest !== null) {
    // By its CA a cluster is known: K3s may have written its kubeconfig anew since the first report, whose answer was lost.
    const same = state.kubeconfigDigest === c.kubeconfigDigest || state.caPem === c.caPem;
    if (same) return nothing('already_bootstrapped');
    return reject(
      refusal(409, 'bootstrap_conflict', `${state.name} was bootstrapped with another kubeconfig and CA`, {
        hint: 'wipe K3s on this node; it must join with join_request instead of making a second cluster',
      }),
    );
  }
  if (state.claimant !== c.instanceId) {
    return reject(
      refusal(409, 'not_the_claimant', `${state.name} is being bootstrapped by ${state.claimant}`, {
        hint: 'this server must join with join_request',
      }),
    );
  }
  return accept(
    HandshakeBootstrap(
      {
        cluster_id: id(state.id),
        instance_id: id(c.instanceId),
        k8s_version: c.version,
        kubeconfig_ref: c.kubeconfigRef,
        kubeconfig_digest: c.kubeconfigDigest,
        server_token_ref: c.serverTokenRef,
        ca_pem: c.caPem,
      },
      { links: linksOf(state, c.instanceId) },
    ),
  );
};

const decideReady = (c: Extract<ClusterCommand, { type: 'ready' }>, state: Cluster): Decision<ClusterEvent> => {
  const node = state.nodes.get(c.instanceId);
  if (node === undefined) {
    return reject(
      refusal(409, 'not_joining', `${c.instanceId} is not joining ${state.name}`, { hint: 'post join_request first' }),
    );
  }
  if (node.status === 'ready' && node.version === c.version && node.nodeName === c.nodeName)
    return nothing('already_ready');
  return accept(
    HandshakeReady(
      {
        cluster_id: id(state.id),
        instance_id: id(c.instanceId),
        role: node.role,
        version: c.version,
        node_name: c.nodeName,
      },
      { links: linksOf(state, c.instanceId), topics: c.instanceId === state.claimant ? [] : [JOIN_TOPIC] },
    ),
  );
};

type NodeCommand = Extract<
  ClusterCommand,
  { type: 'stopped' | 'draining' | 'uncordoned' | 'ready_again' | 'not_ready' | 'remove_node' }
>;

const decideNode = (c: NodeCommand, state: Cluster): Decision<ClusterEvent> => {
  const data = { cluster_id: id(state.id), instance_id: id(c.instanceId) };
  const links = { links: linksOf(state, c.instanceId) };
  const node = state.nodes.get(c.instanceId);
  if (node === undefined) return nothing('not_a_member');
  switch (c.type) {
    case 'stopped':
      return node.status === 'not_ready'
        ? nothing('already_stopped')
        : accept(HandshakeStopped({ ...data, role: node.role }, links));
    case 'draining':
      return standsAside(node) ? nothing('already_draining') : accept(NodeDraining(data, links));
    case 'uncordoned':
      return standsAside(node) ? accept(NodeUncordoned(data, links)) : nothing('not_draining');
    case 'ready_again':
      return node.status === 'not_ready' ? accept(NodeReadyAgain(data, links)) : nothing('not_not_ready');
    case 'not_ready':
      return node.status === 'ready' || saysMore(node, c.reason)
        ? accept(NodeNotReady({ ...data, reason: c.reason }, links))
        : nothing('not_ready_before');
    case 'remove_node':
      return accept(NodeRemoved({ ...data, reason: c.reason }, links));
    default:
      return assertNever(c);
  }
};

const decideJoin = (
  c: Extract<ClusterCommand, { type: 'request_join' | 'issue_join_token' }>,
  state: Cluster,
): Decision<ClusterEvent> => {
  const ids = { cluster_id: id(state.id), instance_id: id(c.instanceId) };
  const links = { links: linksOf(state, c.instanceId) };
  if (c.type === 'issue_join_token') {
    return accept(
      HandshakeJoinTokenIssued({ ...ids, role: c.role, token_id: c.tokenId, expires_at: c.expiresAt }, links),
    );
  }
  const node = state.nodes.get(c.instanceId);
  const alone = c.role === 'server' && c.restoring !== true ? nobodyToJoin(state, c.instanceId) : undefined;
  if (alone !== undefined) return reject(alone);
  if (node !== undefined && node.role === c.role && node.status === 'joining') return nothing('already_joining');
  if (c.role === 'server' && c.restoring !== true && state.tokenChange?.phase === 'chosen')
    return reject(refusal(409, 'server_token_is_changing', `the server token of ${state.name} is being changed`));
  return accept(HandshakeJoinRequest({ ...ids, role: c.role, target_cluster_id: c.target }, links));
};

type LiveCommand = Exclude<ClusterCommand, { type: 'claim' } | TokenCommand | AccessCommand>;

const decideLive = (c: LiveCommand, state: Cluster): Decision<ClusterEvent> => {
  const [cluster_id, links] = [id(state.id), { links: linksOf(state) }];
  switch (c.type) {
    case 'move_claim':
      if (state.kubeconfigDigest !== null || state.claimant === c.to) return nothing('bootstrapped_or_same');
      if (c.from !== undefined && c.from !== state.claimant) return nothing('moved_meanwhile');
      return accept(
        ClusterClaimMoved(
          { cluster_id, from_instance_id: id(state.claimant), to_instance_id: id(c.to), reason: c.reason },
          links,
        ),
      );
    case 'bootstrap':
      return decideBootstrap(c, state);
    case 'mark_bootstrapped':
      if (state.apiEndpoint !== null) return nothing('already_bootstrapped');
      return accept(
        ClusterBootstrapped(
          { cluster_id, name: state.name, api_endpoint: c.apiEndpoint, failover: c.failover },
          { links: linksOf(state, state.claimant) },
        ),
      );
    case 'request_join':
    case 'issue_join_token':
      return decideJoin(c, state);
    case 'ready':
      return decideReady(c, state);
    case 'degrade':
      // Degraded for another reason than before, too: an operator goes by what is the matter now.
      return state.status === 'active' || (state.status === 'degraded' && state.lastError !== c.reason)
        ? accept(ClusterDegraded({ cluster_id, reason: c.reason }, links))
        : nothing('not_active');
    case 'recover':
      return state.status === 'degraded' ? accept(ClusterRecovered({ cluster_id }, links)) : nothing('not_degraded');
    case 'decommission':
      return accept(
        ClusterDecommissioned(
          { cluster_id, name: state.name, freed_instances: [...state.nodes.keys()].map((n) => id(n)) },
          links,
        ),
      );
    case 'stopped':
    case 'draining':
    case 'uncordoned':
    case 'ready_again':
    case 'not_ready':
    case 'remove_node':
      return decideNode(c, state);
    case 'cluster_overdue':
    case 'node_overdue':
    case 'orphan':
    case 'reap_orphan':
    case 'set_policy':
    case 'renewal_blocked':
    case 'renewal_unblocked':
    case 'strangers':
      return decideCare(c, state);
    default:
      return decideMigration(c, state);
  }
};

const decide = (c: ClusterCommand, state: ClusterState): Decision<ClusterEvent> => {
  if (c.type === 'claim') return decideClaim(c, state);
  if (state.status === 'absent') return reject(refusal(404, 'cluster_not_found', 'there is no such cluster'));
  if (state.status === 'decommissioned') {
    if (c.type === 'decommission') return nothing('already_decommissioned');
    return reject(refusal(409, 'cluster_decommissioned', `${state.name} has been decommissioned`));
  }
  if (isAccessCommand(c)) return decideAccess(c, state);
  return isTokenCommand(c) ? decideToken(c, state) : decideLive(c, state);
};

export const clusterDecider: Decider<ClusterState, ClusterCommand, ClusterEvent> = {
  initial: absent,
  evolve: (state, event) => evolveCluster(state, event),
  decide,
};
