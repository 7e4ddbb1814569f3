import { type EventOf } from '#kernel';
import type { RecordedEvent } from '#event-store';
import {
  FirewallRuleCreated,
  FirewallRuleDeleted,
  NetworkCreated,
  NetworkDeleted,
  NetworkUpdated,
  PeerAttached,
  PeerConnected,
  PeerDetached,
  PeerEndpointsReported,
  PeerKeyAnnounced,
  PeerPodCidrAssigned,
  PeerPodCidrUnassigned,
  PeerRoutingStarted,
  PeerRoutingStatic,
  PeerKeySwitched,
  PeerNextKeyAnnounced,
  PeerSilent,
  PeerUpdated,
} from '../domain/events.js';
import {
  evolveVirtualIp,
  initialVirtualIp,
  type LiveVirtualIp,
  type VirtualIpEvent,
} from '../domain/virtual-ip/state.js';
import { withPodCidr } from '../domain/peer/state.js';
import type { FirewallRuleView, NetworkView, PeerView } from '../domain/wireguard-compiler/model.js';
import { effectiveMode, isHub } from '../domain/wireguard-compiler/topology.js';
import { changeQuietly, OWN_AFFAIRS, ownKey, updated, withKeys } from './model-keys.js';

export interface MutableNetwork extends NetworkView {
  readonly accountId: string;
  readonly peers: Map<string, PeerView>;
  readonly virtualIps: Map<string, LiveVirtualIp>;
  readonly firewall: Map<string, FirewallRuleView>;
  /** Goes up with every change; what was compiled at a lower one is stale. */
  revision: number;
}
export interface InstanceFacts {
  readonly accountId: string;
  readonly name: string;
  readonly underlay: readonly string[];
  readonly lost: boolean;
  readonly draining: boolean;
  readonly gone: boolean;
}

/** The folded log; what a fold may write to. */
export interface FoldedState {
  readonly networks: Map<string, MutableNetwork>;
  readonly instances: Map<string, InstanceFacts>;
  readonly networkOfPeer: Map<string, string>;
  readonly networkOfVip: Map<string, string>;
  readonly peersOfInstance: Map<string, Set<string>>;
}

const networkFor = (model: FoldedState, peerId: string) => model.networks.get(model.networkOfPeer.get(peerId) ?? '');
type Data<D> = EventOf<D>['data'];

export const foldEvent = (model: FoldedState, event: RecordedEvent): Iterable<string> => {
  if (event.type.startsWith('system.sdwan.virtual_ip.')) return foldVirtualIp(model, event);
  if (event.type.startsWith('system.sdwan.peer.')) return foldPeer(model, event);
  if (event.type.startsWith('system.sdwan.network.')) return foldNetwork(model, event);
  if (event.type.startsWith('system.sdwan.firewall_rule.')) return foldFirewall(model, event);
  return event.type.startsWith('system.instance.') ? foldInstance(model, event) : [];
};

const foldNetwork = (model: FoldedState, event: RecordedEvent): Iterable<string> => {
  if (event.type === NetworkCreated.type) {
    const d = event.data as Data<typeof NetworkCreated>;
    model.networks.set(d.network_id, {
      accountId: event.meta.accountId,
      networkId: d.network_id,
      name: d.name,
      handle: d.handle,
      cidr64: d.cidr_64,
      cidrV4: d.cidr_v4,
      routingMode: d.routing_mode,
      podSubnetPrefix: d.pod_subnet_prefix,
      peers: new Map(),
      virtualIps: new Map(),
      firewall: new Map(),
      revision: 0,
    });
    return [];
  }
  const network = model.networks.get(event.data.network_id as string);
  if (network === undefined) return [];
  if (event.type === NetworkUpdated.type) {
    const d = event.data as Data<typeof NetworkUpdated>;
    const changed = {
      ...network,
      name: d.name ?? network.name,
      routingMode: d.routing_mode === undefined ? network.routingMode : d.routing_mode,
      podSubnetPrefix: d.pod_subnet_prefix === undefined ? network.podSubnetPrefix : d.pod_subnet_prefix,
      revision: network.revision + 1,
    };
    model.networks.set(network.networkId, changed);
    return instancesOf(changed);
  }
  if (event.type !== NetworkDeleted.type) return [];
  model.networks.delete(network.networkId);
  return instancesOf(network);
};

/** Every node of the network enforces every rule. */
const foldFirewall = (model: FoldedState, event: RecordedEvent): Iterable<string> => {
  const network = model.networks.get(event.data.network_id as string);
  if (network === undefined) return [];
  const ruleId = event.data.firewall_rule_id as string;
  if (event.type === FirewallRuleDeleted.type) network.firewall.delete(ruleId);
  else {
    const { rule } = event.data as Data<typeof FirewallRuleCreated>;
    const since = network.firewall.get(ruleId)?.since ?? Number(event.position);
    network.firewall.set(ruleId, { ruleId, rule, since });
  }
  network.revision++;
  return instancesOf(network);
};

const instancesOf = (network: NetworkView): Set<string> =>
  new Set([...network.peers.values()].flatMap((peer) => (peer.instanceId === null ? [] : [peer.instanceId])));

const foldPeer = (model: FoldedState, event: RecordedEvent): Iterable<string> => {
  if (event.type === PeerAttached.type) return attach(model, event);
  const peerId = event.data.peer_id as string;
  const network = networkFor(model, peerId);
  const peer = network?.peers.get(peerId);
  if (network === undefined || peer === undefined) return [];
  if (event.type === PeerDetached.type) return detach(model, network, peer);
  if (OWN_AFFAIRS.has(event.type)) return changeQuietly(network, peer, event);
  const changed = changePeer(network, peer, event);
  if (changed === undefined) return [];
  if (changed.lanSubnets === peer.lanSubnets) return replacePeer(network, peer, changed);
  // What a peer's endpoints are worth depends on everybody's LANs: no item of before may be used again.
  for (const [id, other] of network.peers) network.peers.set(id, { ...other });
  replacePeer(network, peer, changed);
  return instancesOf(network);
};

const changePeer = (network: MutableNetwork, peer: PeerView, event: RecordedEvent): PeerView | undefined => {
  switch (event.type) {
    case PeerKeyAnnounced.type: {
      const d = event.data as Data<typeof PeerKeyAnnounced>;
      return { ...withKeys(network, peer, event), listenPort: d.listen_port };
    }
    case PeerNextKeyAnnounced.type:
    case PeerKeySwitched.type:
      return withKeys(network, peer, event);
    case PeerUpdated.type:
      return updated(peer, event.data as Data<typeof PeerUpdated>);
    case PeerEndpointsReported.type:
      return { ...peer, underlay: (event.data as Data<typeof PeerEndpointsReported>).underlay_addresses };
    case PeerPodCidrAssigned.type:
      return {
        ...peer,
        podCidrs: withPodCidr(peer.podCidrs, (event.data as Data<typeof PeerPodCidrAssigned>).pod_cidr),
      };
    case PeerPodCidrUnassigned.type: {
      const { pod_cidr } = event.data as Data<typeof PeerPodCidrUnassigned>;
      return { ...peer, podCidrs: peer.podCidrs.filter((cidr) => cidr !== pod_cidr) };
    }
    // Who runs a routing daemon is asked for sessions.
    case PeerRoutingStarted.type:
      return { ...peer, routing: 'running' };
    case PeerRoutingStatic.type:
      return { ...peer, routing: 'static' };
    // Only a hub's silence changes what others are told: its standby takes over.
    case PeerConnected.type:
      return peer.silent && peer.publiclyReachable ? { ...peer, silent: false } : undefined;
    case PeerSilent.type:
      return peer.publiclyReachable ? { ...peer, silent: true } : undefined;
    default:
      return undefined;
  }
};

const replacePeer = (network: MutableNetwork, before: PeerView, after: PeerView): Set<string> => {
  const mode = effectiveMode(network);
  network.peers.set(after.peerId, after);
  network.revision++;
  return affectedBy(network, before, mode);
};

const attach = (model: FoldedState, event: RecordedEvent): Iterable<string> => {
  const d = event.data as Data<typeof PeerAttached>;
  const now = Date.parse(event.recordedAt);
  const network = model.networks.get(d.network_id);
  if (network === undefined) return [];
  const peer: PeerView = {
    peerId: d.peer_id,
    instanceId: d.instance_id,
    kind: d.kind,
    name: d.name,
    addressV6: d.address_v6,
    addressV4: d.address_v4,
    publiclyReachable: d.publicly_reachable,
    endpointHost: d.endpoint_host,
    endpointPort: d.endpoint_port,
    listenPort: d.listen_port,
    publicKey: ownKey(network, d.peer_id, d.public_key),
    keys: { rotation: null, rotations: 0, at: event.position, atMs: now, sinceMs: now },
    underlay: model.instances.get(d.instance_id ?? '')?.underlay ?? [],
    podCidrs: [],
    lanSubnets: [],
    lanMasquerade: false,
    tags: d.tags,
    silent: false,
  };
  network.peers.set(peer.peerId, peer);
  network.revision++;
  model.networkOfPeer.set(peer.peerId, network.networkId);
  if (peer.instanceId !== null) {
    const own = model.peersOfInstance.get(peer.instanceId) ?? new Set();
    model.peersOfInstance.set(peer.instanceId, own.add(peer.peerId));
  }
  // Without a key it is in nobody's table yet, but a first hub changes how everybody is routed.
  const unseen = peer.publicKey === null && !peer.publiclyReachable;
  return unseen ? [peer.instanceId].filter((id) => id !== null) : instancesOf(network);
};

const detach = (model: FoldedState, network: MutableNetwork, peer: PeerView): Iterable<string> => {
  const dirty = instancesOf(network);
  network.peers.delete(peer.peerId);
  network.revision++;
  model.networkOfPeer.delete(peer.peerId);
  if (peer.instanceId !== null) model.peersOfInstance.get(peer.instanceId)?.delete(peer.peerId);
  return dirty;
};

const foldVirtualIp = (model: FoldedState, event: RecordedEvent): Iterable<string> => {
  const vipId = event.data.virtual_ip_id as string;
  if (typeof event.data.network_id === 'string') model.networkOfVip.set(vipId, event.data.network_id);
  const network = model.networks.get(model.networkOfVip.get(vipId) ?? '');
  if (network === undefined) return [];
  const state = evolveVirtualIp(network.virtualIps.get(vipId) ?? initialVirtualIp, event as unknown as VirtualIpEvent);
  if (state.status === 'none') return [];
  if (state.status === 'released') network.virtualIps.delete(vipId);
  else network.virtualIps.set(vipId, state);
  network.revision++;
  return instancesOf(network);
};

const foldInstance = (model: FoldedState, event: RecordedEvent): Iterable<string> => {
  const id = event.data.instance_id as string;
  const old = model.instances.get(id);
  const was = old ?? {
    accountId: event.meta.accountId,
    name: id,
    underlay: [],
    lost: false,
    draining: false,
    gone: false,
  };
  const underlay = Array.isArray(event.data.underlay_addresses)
    ? (event.data.underlay_addresses as string[])
    : was.underlay;
  const kind = event.type.slice('system.instance.'.length);
  const name = kind === 'created' ? String(event.data.name) : was.name;
  const next: InstanceFacts = {
    ...was,
    name,
    underlay,
    lost: kind === 'lost' || (was.lost && kind !== 'returned' && kind !== 'online'),
    draining: kind === 'drain_requested' || (was.draining && kind !== 'uncordoned'),
    gone: was.gone || kind === 'terminated' || kind === 'forgotten',
  };
  model.instances.set(id, next);
  return underlay === was.underlay && next.lost === was.lost ? [] : refreshPeers(model, id, next);
};

/** New underlay addresses are new endpoints; a lost hub hands over to its standby. */
const refreshPeers = (model: FoldedState, instanceId: string, facts: InstanceFacts): Set<string> => {
  const dirty = new Set<string>();
  for (const peerId of model.peersOfInstance.get(instanceId) ?? []) {
    const network = networkFor(model, peerId);
    const peer = network?.peers.get(peerId);
    if (network === undefined || peer === undefined) continue;
    const silent = peer.publiclyReachable ? facts.lost : peer.silent;
    const underlay = facts.underlay.length === 0 ? peer.underlay : facts.underlay;
    if (silent === peer.silent && JSON.stringify(underlay) === JSON.stringify(peer.underlay)) continue;
    for (const id of replacePeer(network, peer, { ...peer, silent, underlay })) dirty.add(id);
  }
  return dirty;
};

/** Instances of a network that see a change of one peer: all in a mesh, in hub mode the hubs and the peer itself. */
export const affectedBy = (network: NetworkView, peer: PeerView, mode: 'mesh' | 'hub'): Set<string> => {
  const dirty = new Set<string>();
  const everybody = mode === 'mesh' || isHub(peer);
  for (const other of network.peers.values()) {
    if (other.instanceId !== null && (everybody || isHub(other) || other.peerId === peer.peerId))
      dirty.add(other.instanceId);
  }
  if (peer.instanceId !== null) dirty.add(peer.instanceId);
  return dirty;
};
