import {
  firewallItem,
  interfaceItem,
  peerItem,
  routeItem,
  vipItem,
  type FirewallItem,
  type InterfaceItem,
  type PeerItem,
  type VipItem,
} from '#proto';
import { canonicalCidr, canonicalPrefix, contains } from './cidr.js';

/** What a network section says, parsed. Items that do not parse are reported, and the rest is applied. */
export interface NetworkSection {
  readonly networkId: string;
  readonly iface: InterfaceItem | undefined;
  readonly peers: readonly PeerItem[];
  readonly routes: ReadonlyMap<string, 'device' | 'unreachable'>;
  readonly vips: readonly VipItem[];
  /** In the order in which they are looked at. */
  readonly firewall: readonly FirewallItem[];
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
  for (const [key, bytes] of [...items].sort(([a], [b]) => (a < b ? -1 : 1))) {
    try {
      const json: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
      if (key === 'interface') iface = interfaceItem.parse(json);
      else if (key.startsWith('peer/')) peers.push(peerItem.parse(json));
      else if (key.startsWith('vip/')) vips.push(vipItem.parse(json));
      else if (key.startsWith('firewall/')) firewall.push(firewallItem.parse(json));
      else if (key.startsWith('route/')) {
        const route = routeItem.parse(json);
        routes.set(canonicalPrefix(route.prefix), route.kind);
      }
    } catch (error) {
      errors.push(`${key}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    }
  }
  firewall.sort((a, b) => a.order - b.order);
  return { networkId: name.slice(NETWORK_PREFIX.length), iface, peers, routes, vips, firewall, errors };
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

/** `holds` says whether this node may have the address on now: it is the holder and its lease, if any, is valid. */
export const composeInterface = (
  section: NetworkSection,
  vips: readonly VipItem[],
  holds: (vip: VipItem) => boolean,
  keeps: (vip: VipItem) => boolean,
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
    peers: section.peers.map((peer) => ({
      peerId: peer.peer_id,
      publicKey: peer.public_key,
      endpoints: peer.endpoints,
      allowedIps: [...new Set([...peer.allowed_ips.map(canonicalPrefix), ...(vipOf.get(peer.peer_id) ?? [])])].sort(),
      keepalive: peer.persistent_keepalive,
    })),
    deviceRoutes: deviceRoutes(section),
    unreachable: unreachable.sort(),
  };
};

/** WireGuard takes what AllowedIPs say only if the kernel sends it to the device: each prefix needs a route, as wg-quick makes them. */
const deviceRoutes = ({ routes, peers }: NetworkSection): string[] => {
  const own = [...routes].filter(([, kind]) => kind === 'device').map(([prefix]) => prefix);
  const behind = peers.flatMap((peer) => peer.allowed_ips.map(canonicalPrefix));
  return [...new Set([...own, ...behind.filter((prefix) => !own.some((range) => contains(range, prefix)))])].sort();
};
