import type { EventOf } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { PeerKeyRetired, PeerKeyRotationRequested, PeerKeySwitchOrdered, type PeerUpdated } from '../domain/events.js';
import { evolveKeys, nextKeyOf } from '../domain/peer/key-rotation.js';
import type { NetworkView, PeerView } from '../domain/wireguard-compiler/model.js';

/** Steps in a change of key that nobody but the node itself has to know of. */
export const OWN_AFFAIRS: ReadonlySet<string> = new Set([
  PeerKeyRotationRequested.type,
  PeerKeySwitchOrdered.type,
  PeerKeyRetired.type,
]);

/** As the peer's own stream tells it, but for a key that is another's (see ownKey). */
export const withKeys = (network: NetworkView, peer: PeerView, event: RecordedEvent): PeerView => {
  const before = { publicKey: peer.publicKey, rotation: peer.keys.rotation, rotations: peer.keys.rotations };
  const { publicKey, rotation, rotations } = evolveKeys(before, event);
  const next = nextKeyOf(rotation);
  const isFree = next === null || ownKey(network, peer.peerId, next) !== null;
  const now = Date.parse(event.recordedAt);
  const sinceMs = publicKey === peer.publicKey ? peer.keys.sinceMs : now;
  const kept = isFree ? rotation : peer.keys.rotation;
  const keys = { rotation: kept, rotations, at: event.position, atMs: now, sinceMs };
  return { ...peer, publicKey: ownKey(network, peer.peerId, publicKey), keys };
};

/**
 * The first peer with a key keeps it, in a log from before keys were claimed as well: WireGuard keeps one peer for a key, so
 * a second one would take the first one's allowed addresses away.
 */
export const ownKey = (network: NetworkView, peerId: string, key: string | null): string | null => {
  if (key === null) return null;
  for (const other of network.peers.values())
    if (other.peerId !== peerId && (other.publicKey === key || nextKeyOf(other.keys.rotation) === key)) return null;
  return key;
};

export const changeQuietly = (
  network: NetworkView & { readonly peers: Map<string, PeerView> },
  peer: PeerView,
  event: RecordedEvent,
): string[] => {
  network.peers.set(peer.peerId, withKeys(network, peer, event));
  return peer.instanceId === null ? [] : [peer.instanceId];
};

/** What an operator changed. */
export const updated = (peer: PeerView, d: EventOf<typeof PeerUpdated>['data']): PeerView => ({
  ...peer,
  endpointHost: d.endpoint_host === undefined ? peer.endpointHost : d.endpoint_host,
  endpointPort: d.endpoint_port === undefined ? peer.endpointPort : d.endpoint_port,
  lanSubnets: d.lan_subnets ?? peer.lanSubnets,
  lanMasquerade: d.lan_masquerade ?? peer.lanMasquerade,
});
