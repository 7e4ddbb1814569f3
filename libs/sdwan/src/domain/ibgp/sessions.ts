import { sha256Hex } from '#kernel';
import type { NetworkView, PeerView } from '../wireguard-compiler/model.js';
import { isHub } from '../wireguard-compiler/topology.js';

/** Up to here everybody has a session with everybody; beyond, with route reflectors. */
export const FULL_MESH_MAX = 10;
const REFLECTORS_MIN = 2;
const MEMBERS_PER_REFLECTOR = 64;
/** Of all reflectors, each member uses this many: one may die, and nothing is unlearned. */
export const REFLECTORS_PER_CLIENT = 2;

/** `peer`: of a full mesh, or from reflector to reflector. */
export type SessionKind = 'peer' | 'client' | 'reflector';

export interface BgpSession {
  readonly peer: PeerView;
  /** What the other side is to this one. */
  readonly kind: SessionKind;
}

export interface SessionPlan {
  readonly members: readonly PeerView[];
  readonly reflectors: readonly PeerView[];
  readonly of: (peerId: string) => readonly BgpSession[];
}

export const isIbgp = (network: NetworkView): boolean => network.routingMode === 'ibgp';

/** Nodes with a key whose routing daemon has not been reported missing. Devices run none. */
export const speaks = (peer: PeerView): boolean =>
  peer.kind === 'node' && peer.publicKey !== null && peer.routing !== 'static';

const byId = (a: PeerView, b: PeerView): number => (a.peerId < b.peerId ? -1 : 1);

/** Who has a session with whom: the same on every node, whatever order the peers came in. */
export const planSessions = (network: NetworkView): SessionPlan => {
  const members = [...network.peers.values()].filter(speaks).sort(byId);
  const reflectors = members.length <= FULL_MESH_MAX ? [] : chooseReflectors(network.networkId, members);
  const sessions = reflectors.length === 0 ? fullMesh(members) : reflected(members, reflectors);
  return { members, reflectors, of: (peerId) => sessions.get(peerId) ?? [] };
};

/**
 * Those that everybody can reach come first. Among equals a hash decides: a node that joins or leaves changes at most one
 * reflector, and the oldest nodes (the servers of the cluster, mostly) are not taken each time.
 */
const chooseReflectors = (networkId: string, members: readonly PeerView[]): PeerView[] => {
  const count = Math.max(REFLECTORS_MIN, Math.ceil(members.length / MEMBERS_PER_REFLECTOR));
  const rank = new Map(members.map((peer) => [peer, sha256Hex(`reflector|${networkId}|${peer.peerId}`)]));
  const preference = (peer: PeerView) => (peer.silent ? 2 : isHub(peer) ? 0 : 1);
  return [...members]
    .sort((a, b) => preference(a) - preference(b) || (rank.get(a)! < rank.get(b)! ? -1 : 1))
    .slice(0, count)
    .sort(byId);
};

const fullMesh = (members: readonly PeerView[]): Map<string, BgpSession[]> =>
  new Map(
    members.map((self) => [
      self.peerId,
      members.filter((peer) => peer !== self).map((peer) => ({ peer, kind: 'peer' as const })),
    ]),
  );

const reflected = (members: readonly PeerView[], reflectors: readonly PeerView[]): Map<string, BgpSession[]> => {
  const sessions = new Map<string, BgpSession[]>(members.map((peer) => [peer.peerId, []]));
  for (const self of reflectors)
    for (const peer of reflectors) if (peer !== self) sessions.get(self.peerId)!.push({ peer, kind: 'peer' });
  for (const client of members) {
    if (reflectors.includes(client)) continue;
    for (const peer of reflectorsOf(client, reflectors)) {
      sessions.get(client.peerId)!.push({ peer, kind: 'reflector' });
      sessions.get(peer.peerId)!.push({ peer: client, kind: 'client' });
    }
  }
  return sessions;
};

/** Rendezvous hashing: clients spread over the reflectors, and one reflector's end moves only its own clients. */
const reflectorsOf = (client: PeerView, reflectors: readonly PeerView[]): PeerView[] =>
  reflectors
    .map((peer) => ({ peer, rank: sha256Hex(`client|${client.peerId}|${peer.peerId}`) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, REFLECTORS_PER_CLIENT)
    .map(({ peer }) => peer)
    .sort(byId);
