import { contains, hostCidr, mustCidr, mustIp, parseIp } from '../ip.js';
import type { NetworkView, PeerView } from './model.js';

/**
 * Mesh unless a node is publicly reachable, then hub. `hub` without any such node has nothing to go through, so it is a
 * mesh until there is one. `ibgp` is a mesh in which nodes learn from each other who has what (../ibgp): WireGuard picks the
 * peer by AllowedIPs, never by next hop, so what a mesh compiles is what may be learned.
 */
export const effectiveMode = (network: NetworkView): 'mesh' | 'hub' => {
  if (network.routingMode === 'mesh' || network.routingMode === 'ibgp') return 'mesh';
  return [...network.peers.values()].some(isHub) ? 'hub' : 'mesh';
};

export const isHub = (peer: PeerView): boolean => peer.kind === 'node' && peer.publiclyReachable;

const byAddress = (a: PeerView, b: PeerView): number =>
  mustIp(a.addressV6).value < mustIp(b.addressV6).value ? -1 : 1;

/** Hubs that can carry traffic, the primary first: those that answer before silent ones, then the lowest address. */
export const hubsOf = (network: NetworkView): PeerView[] =>
  [...network.peers.values()]
    .filter((peer) => isHub(peer) && peer.publicKey !== null)
    .sort((a, b) => Number(a.silent) - Number(b.silent) || byAddress(a, b));

const UNUSABLE = ['127.0.0.0/8', '169.254.0.0/16', '0.0.0.0/8', '::1/128', 'fe80::/10', '::/128'].map(mustCidr);

/** Where others may find a peer, best first: the operator's word, then what its agent reported. */
export const endpointsOf = (peer: PeerView, network: Pick<NetworkView, 'cidr64' | 'cidrV4' | 'peers'>): string[] => {
  const own = [...UNUSABLE, mustCidr(network.cidr64), mustCidr(network.cidrV4)];
  const reported = peer.underlay.filter((address) => {
    const ip = parseIp(address);
    return ip !== undefined && !own.some((cidr) => contains(cidr, { ...ip, length: ip.family === 4 ? 32 : 128 }));
  });
  // Where a LAN of the network is the way to itself, other ways are tried first.
  const inside = (address: string) =>
    [...network.peers.values()].some((other) =>
      other.lanSubnets.some((lan) => contains(mustCidr(lan), mustCidr(hostCidr(address)))),
    );
  reported.sort((a, b) => Number(inside(a)) - Number(inside(b)));
  const operator =
    peer.endpointHost === null ? [] : [hostPort(peer.endpointHost, peer.endpointPort ?? peer.listenPort)];
  return [...new Set([...operator, ...reported.map((address) => hostPort(address, peer.listenPort))])];
};

const hostPort = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

export type Reach =
  | { readonly kind: 'direct' }
  | { readonly kind: 'via_hub'; readonly hubPeerId: string }
  | { readonly kind: 'unreachable'; readonly reason: string };

/** How two peers reach each other; never silence: a pair that cannot is named, with the reason. */
export const reachOf = (network: NetworkView, a: PeerView, b: PeerView): Reach => {
  const keyless = [a, b].find((peer) => peer.publicKey === null);
  if (keyless !== undefined) return { kind: 'unreachable', reason: `${keyless.name} has announced no key yet` };
  const found = (peer: PeerView) => endpointsOf(peer, network).length > 0;
  if (effectiveMode(network) === 'mesh' || isHub(a) || isHub(b)) {
    if (found(a) || found(b)) return { kind: 'direct' };
    return { kind: 'unreachable', reason: 'neither has an endpoint and the network has no hub' };
  }
  const hub = hubsOf(network)[0];
  if (hub === undefined) return { kind: 'unreachable', reason: 'no hub has announced its key yet' };
  return found(hub)
    ? { kind: 'via_hub', hubPeerId: hub.peerId }
    : { kind: 'unreachable', reason: `the hub ${hub.name} has no endpoint` };
};
