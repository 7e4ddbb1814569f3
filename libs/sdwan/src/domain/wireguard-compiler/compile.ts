import { hostCidr } from '../ip.js';
import { nextKeyOf } from '../peer/key-rotation.js';
import type {
  CompiledInterface,
  CompiledNetwork,
  CompiledPeer,
  CompiledRoute,
  LeaseTimes,
  NetworkView,
  PeerView,
} from './model.js';
import { compileFirewall } from './firewall.js';
import { effectiveMode, endpointsOf, hubsOf, isHub } from './topology.js';
import { compileVips } from './virtual-ips.js';

const MTU = 1420;
const KEEPALIVE_S = 25;

/** Lets a caller reuse the item of a peer that did not change, so that 1,000 nodes share one object. */
export type PeerItems = (peer: PeerView, make: () => CompiledPeer) => CompiledPeer;
const fresh: PeerItems = (_, make) => make();

/**
 * One network as one peer must configure it. WireGuard picks the peer by the longest AllowedIPs match of the inner
 * destination and drops what comes from a source outside the sender's, so both directions follow from these lists.
 */
export const compileNetwork = (
  network: NetworkView,
  self: PeerView,
  lease: LeaseTimes,
  items: PeerItems = fresh,
): CompiledNetwork => ({
  interface: compileInterface(network, self),
  peers: compilePeers(network, self, items),
  routes: compileRoutes(network),
  vips: compileVips(network, self, lease),
  firewall: compileFirewall(network),
});

export const compileInterface = (network: NetworkView, self: PeerView): CompiledInterface => ({
  network_id: network.networkId,
  peer_id: self.peerId,
  name: `wg-sdwan-${network.handle}`,
  addresses: ownAddresses(self),
  listen_port: self.listenPort,
  mtu: MTU,
  forwarding: forwards(network, self),
  ...rotationOf(self),
  ...lanOf(network, self),
});

/** Until it has taken the key up, the node is asked to have one ready. */
const rotationOf = ({ keys: { rotation } }: PeerView): { rotation?: number } =>
  rotation === null || rotation.phase === 'switched' ? {} : { rotation: rotation.number };

const forwards = (network: NetworkView, self: PeerView): boolean =>
  (isHub(self) && effectiveMode(network) === 'hub') || self.lanSubnets.length > 0;

/**
 * A gateway forwards to and from its LANs, and what it forwarded before: pods. Nothing else passes through it. A hub forwards
 * between peers; what is beside it on the node's other networks was given to nobody, so the way out is guarded.
 */
const lanOf = (network: NetworkView, self: PeerView): Pick<CompiledInterface, 'lan' | 'guard'> => {
  if (!forwards(network, self)) return {};
  const { podSubnetPrefix } = network;
  const also = [...new Set([...(podSubnetPrefix === null ? [] : [podSubnetPrefix]), ...self.podCidrs])];
  if (self.lanSubnets.length === 0) return { guard: { also } };
  return { lan: { subnets: self.lanSubnets, also, masquerade: self.lanMasquerade } };
};

/** In a mesh everybody, in hub mode the hubs. */
export const seesEverybody = (network: NetworkView, self: PeerView): boolean =>
  effectiveMode(network) === 'mesh' || isHub(self);

const ownAddresses = (peer: PeerView): string[] => [hostCidr(peer.addressV6), hostCidr(peer.addressV4)];

export const compilePeers = (network: NetworkView, self: PeerView, items: PeerItems): CompiledPeer[] => {
  if (seesEverybody(network, self)) return compileDirect(network, self, items);
  const [primary, ...standby] = hubsOf(network);
  if (primary === undefined) return [];
  // Everything, but for what is the spoke's own or reached through a standby directly.
  const apart = new Set([self, ...standby].map((peer) => peer.peerId));
  const behind = [
    network.cidr64,
    network.cidrV4,
    ...(network.podSubnetPrefix === null ? [] : [network.podSubnetPrefix]),
    ...[...network.peers.values()].filter((peer) => !apart.has(peer.peerId)).flatMap((peer) => peer.lanSubnets),
  ].sort();
  return [item(network, primary, behind), ...standby.map((hub) => items(hub, () => item(network, hub, whatIsAt(hub))))];
};

/** Everybody else, each under its own addresses only. */
export const compileDirect = (network: NetworkView, self: PeerView | undefined, items: PeerItems): CompiledPeer[] => {
  const result: CompiledPeer[] = [];
  for (const peer of network.peers.values()) {
    if (peer.peerId === self?.peerId || peer.publicKey === null) continue;
    result.push(items(peer, () => item(network, peer, whatIsAt(peer))));
  }
  return result;
};

const whatIsAt = (peer: PeerView): string[] => [...ownAddresses(peer), ...peer.podCidrs, ...peer.lanSubnets];

const item = (network: NetworkView, peer: PeerView, allowed: readonly string[]): CompiledPeer => ({
  peer_id: peer.peerId,
  instance_id: peer.instanceId,
  public_key: peer.publicKey!,
  ...nextKeyItem(peer),
  endpoints: endpointsOf(peer, network),
  allowed_ips: allowed,
  persistent_keepalive: KEEPALIVE_S,
});

const nextKeyItem = ({ keys: { rotation } }: PeerView): { next_public_key?: string } => {
  const next = nextKeyOf(rotation);
  return next === null ? {} : { next_public_key: next };
};

export const compileRoutes = (network: NetworkView): CompiledRoute[] => [
  { prefix: network.cidr64, kind: 'device' },
  { prefix: network.cidrV4, kind: 'device' },
  ...[...network.virtualIps.values()]
    .filter((vip) => vip.status === 'stranded')
    .map((vip) => ({ prefix: hostCidr(vip.address), kind: 'unreachable' as const }))
    .sort((a, b) => (a.prefix < b.prefix ? -1 : 1)),
];
