import {
  bgpItem,
  firewallItem,
  interfaceItem,
  peerItem,
  routeItem,
  vipItem,
  type BgpItem,
  type FirewallItem,
  type InterfaceItem,
  type PeerItem,
  type RouteItem,
  type VipItem,
} from '#proto';
import { canonicalCidr, canonicalPrefix, contains } from './cidr.js';
import type { Turn } from './key-turn.js';

/** What a network section says, parsed. Items that do not parse are reported, and the rest is applied. */
export interface NetworkSection {
  readonly networkId: string;
  readonly iface: InterfaceItem | undefined;
  readonly peers: readonly PeerItem[];
  readonly routes: ReadonlyMap<string, 'device' | 'unreachable'>;
  readonly vips: readonly VipItem[];
  /** In the order in which they are looked at; undefined when one of them cannot be understood. */
  readonly firewall: readonly FirewallItem[] | undefined;
  /** In ibgp networks: what the routing daemon is told. */
  readonly bgp?: BgpItem | undefined;
  readonly errors: readonly string[];
}

export const NETWORK_PREFIX = 'network/';

export const parseNetworkSection = (name: string, items: ReadonlyMap<string, Uint8Array>): NetworkSection => {
  const errors: string[] = [];
  const peers: PeerItem[] = [];
  const routes = new Map<string, 'device' | 'unreachable'>();
  const vips: VipItem[] = [];
  const firewall: FirewallItem[] = [];
  let iface: InterfaceItem | undefined;
  let bgp: BgpItem | undefined;
  for (const [key, bytes] of [...items].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const item = parseItem(key, bytes);
    switch (item.kind) {
      case 'interface':
        iface = item.value;
        break;
      case 'peer':
        peers.push(item.value);
        break;
      case 'bgp':
        bgp = item.value;
        break;
      case 'vip':
        vips.push(item.value);
        break;
      case 'firewall':
        firewall.push(item.value);
        break;
      case 'route':
        routes.set(canonicalPrefix(item.value.prefix), item.value.kind);
        break;
      case 'bad':
        errors.push(`${key}: ${item.reason}`);
    }
  }
  firewall.sort((a, b) => a.order - b.order);
  const isWhole = !errors.some((error) => error.startsWith('firewall/'));
  const networkId = name.slice(NETWORK_PREFIX.length);
  return { networkId, iface, peers, routes, vips, firewall: isWhole ? firewall : undefined, bgp, errors };
};

type Item =
  | { readonly kind: 'interface'; readonly value: InterfaceItem }
  | { readonly kind: 'peer'; readonly value: PeerItem }
  | { readonly kind: 'vip'; readonly value: VipItem }
  | { readonly kind: 'firewall'; readonly value: FirewallItem }
  | { readonly kind: 'bgp'; readonly value: BgpItem }
  | { readonly kind: 'route'; readonly value: RouteItem }
  | { readonly kind: 'bad'; readonly reason: string }
  /** Of a newer platform. */
  | { readonly kind: 'unknown' };

const parsed = new WeakMap<Uint8Array, Item>();

/** The same bytes are parsed once, and give the same object: that is how a change of one peer in a thousand is found. */
const parseItem = (key: string, bytes: Uint8Array): Item => {
  let item = parsed.get(bytes);
  if (item === undefined) parsed.set(bytes, (item = parseNew(key, bytes)));
  return item;
};

const parseNew = (key: string, bytes: Uint8Array): Item => {
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (key === 'interface') return { kind: 'interface', value: interfaceItem.parse(json) };
    if (key.startsWith('peer/')) return { kind: 'peer', value: peerItem.parse(json) };
    if (key.startsWith('vip/')) return { kind: 'vip', value: vipItem.parse(json) };
    if (key.startsWith('firewall/')) return { kind: 'firewall', value: firewallItem.parse(json) };
    if (key === 'bgp') return { kind: 'bgp', value: bgpItem.parse(json) };
    if (key.startsWith('route/')) return { kind: 'route', value: routeItem.parse(json) };
    return { kind: 'unknown' };
  } catch (error) {
    return { kind: 'bad', reason: error instanceof Error ? error.message.split('\n')[0]! : String(error) };
  }
};

export interface ComposedPeer {
  readonly peerId: string;
  readonly publicKey: string;
  readonly endpoints: readonly string[];
  readonly allowedIps: readonly string[];
  readonly keepalive: number;
}

/** All that an interface should be: the section and the VIPs in one, so that a bulk change cannot lose a VIP. */
export interface ComposedInterface {
  readonly networkId: string;
  readonly name: string;
  readonly listenPort: number;
  readonly mtu: number;
  readonly forwarding: boolean;
  readonly addresses: readonly string[];
  /** VIP addresses to be on the device. */
  readonly vipAddresses: readonly string[];
  /** VIP addresses that stay if they are there: the old holder's, until everybody else has moved on. */
  readonly keepAddresses: readonly string[];
  readonly peers: readonly ComposedPeer[];
  /** The network's own ranges, and what peers reach behind them: pods and LANs. */
  readonly deviceRoutes: readonly string[];
  readonly unreachable: readonly string[];
}

const idle = new WeakMap<PeerItem, ComposedPeer>();

/** The key of a peer that does not carry its prefixes: WireGuard answers its handshakes, and sends nothing there by itself. */
const idleKey = (peer: PeerItem, publicKey: string): ComposedPeer => {
  const known = idle.get(peer);
  if (known?.publicKey === publicKey) return known;
  const made = { peerId: peer.peer_id, publicKey, endpoints: [], allowedIps: [], keepalive: 0 };
  idle.set(peer, made);
  return made;
};

/** A peer is one peer of WireGuard, or two while it is changing its key. The one that carries its prefixes comes first. */
const composeKeys = (peer: PeerItem, turn: Turn, vips: readonly string[] | undefined): ComposedPeer[] => {
  const carrying = composePeer(peer, vips);
  const { public_key: present, next_public_key: next } = peer;
  if (next === undefined || next === present) return [carrying];
  if (turn === 'present') return [carrying, idleKey(peer, next)];
  return [{ ...carrying, publicKey: next }, idleKey(peer, present)];
};

/** `holds` says whether this node may have the address on now: it is the holder and its lease, if any, is valid. */
export const composeInterface = (
  section: NetworkSection,
  vips: readonly VipItem[],
  holds: (vip: VipItem) => boolean,
  keeps: (vip: VipItem) => boolean,
  turnOf: (peer: PeerItem) => Turn = () => 'present',
): ComposedInterface | undefined => {
  const { iface } = section;
  if (iface === undefined) return undefined;
  const vipOf = new Map<string, string[]>();
  const unreachable = [...section.routes].filter(([, kind]) => kind === 'unreachable').map(([prefix]) => prefix);
  for (const vip of vips) {
    const prefix = canonicalPrefix(vip.address);
    if (vip.holder_peer_id === null) unreachable.push(prefix);
    else if (vip.role !== 'holder' && vip.route_peer_id !== null)
      vipOf.set(vip.route_peer_id, [...(vipOf.get(vip.route_peer_id) ?? []), prefix]);
  }
  return {
    networkId: section.networkId,
    name: iface.name,
    listenPort: iface.listen_port,
    mtu: iface.mtu,
    forwarding: iface.forwarding,
    addresses: iface.addresses.map(canonicalCidr).sort(),
    vipAddresses: vips
      .filter(holds)
      .map((vip) => canonicalCidr(vip.address))
      .sort(),
    keepAddresses: vips
      .filter(keeps)
      .map((vip) => canonicalCidr(vip.address))
      .sort(),
    peers: section.peers.flatMap((peer) => composeKeys(peer, turnOf(peer), vipOf.get(peer.peer_id))),
    deviceRoutes: deviceRoutes(section),
    unreachable: unreachable.sort(),
  };
};

interface PlainPeer {
  readonly composed: ComposedPeer;
  /** Canonical, in the order of the item. */
  readonly prefixes: readonly string[];
}
const plainPeers = new WeakMap<PeerItem, PlainPeer>();

const plainPeer = (peer: PeerItem): PlainPeer => {
  let plain = plainPeers.get(peer);
  if (plain === undefined) {
    const prefixes = peer.allowed_ips.map(canonicalPrefix);
    const allowedIps = [...new Set(prefixes)].sort();
    const { peer_id: peerId, public_key: publicKey, endpoints, persistent_keepalive: keepalive } = peer;
    plainPeers.set(peer, (plain = { composed: { peerId, publicKey, endpoints, allowedIps, keepalive }, prefixes }));
  }
  return plain;
};

const composePeer = (peer: PeerItem, vips: readonly string[] | undefined): ComposedPeer => {
  const { composed } = plainPeer(peer);
  return vips === undefined
    ? composed
    : { ...composed, allowedIps: [...new Set([...composed.allowedIps, ...vips])].sort() };
};

/** WireGuard takes what AllowedIPs say only if the kernel sends it to the device: each prefix needs a route, as wg-quick makes them. */
const deviceRoutes = ({ routes, peers }: NetworkSection): string[] => {
  const own = [...routes].filter(([, kind]) => kind === 'device').map(([prefix]) => prefix);
  const behind = new Set<string>();
  for (const peer of peers)
    for (const prefix of plainPeer(peer).prefixes) if (!isInside(own, prefix)) behind.add(prefix);
  return [...new Set([...own, ...behind])].sort();
};

const inside = new Map<string, boolean>();
const MAX_REMEMBERED = 20_000;

/** Remembered: a thousand peers have thousands of prefixes, and they are looked at with every change. */
const isInside = (own: readonly string[], prefix: string): boolean => {
  const key = `${own.join(' ')} ${prefix}`;
  let known = inside.get(key);
  if (known === undefined) {
    known = own.some((range) => contains(range, prefix));
    if (inside.size >= MAX_REMEMBERED) inside.clear();
    inside.set(key, known);
  }
  return known;
};
