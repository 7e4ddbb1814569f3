import { accept, nothing, refusal, reject, type Decision, type EventOf } from '#kernel';
import {
  PeerAttached,
  PeerKeyAnnounced,
  PeerKeyRetired,
  PeerKeyRotationRequested,
  PeerKeySwitched,
  PeerKeySwitchOrdered,
  PeerNextKeyAnnounced,
  type peerEvents,
} from './events.js';
import { badKey, isPublicKey } from './public-key.js';

/**
 * A change of key, as far as it has come. Requested: the node is to make a key. Announced: everybody is to make room for it.
 * Ordered: everybody has, the node is to take it up. Switched: it has, the old one is to disappear everywhere.
 */
export type Rotation = { readonly number: number; readonly reason: 'operator' | 'age' } & (
  | { readonly phase: 'requested' }
  | { readonly phase: 'announced' | 'ordered'; readonly nextKey: string }
  | { readonly phase: 'switched'; readonly previousKey: string }
);

export interface PeerKeys {
  readonly publicKey: string | null;
  readonly rotation: Rotation | null;
  /** How many changes there have been. */
  readonly rotations: number;
}

export type RotationCommand =
  | { readonly kind: 'request_rotation'; readonly reason: Rotation['reason'] }
  | { readonly kind: 'announce_next_key'; readonly rotation: number; readonly publicKey: string }
  | {
      readonly kind: 'order_switch';
      readonly publicKey: string;
      readonly heldBy: number;
      readonly absent: readonly `sdwan_peer-${string}`[];
    }
  | { readonly kind: 'retire_key'; readonly publicKey: string };

/** The key that the peer is about to take up, for which others make room. */
export const nextKeyOf = (rotation: Rotation | null): string | null =>
  rotation !== null && 'nextKey' in rotation ? rotation.nextKey : null;

type AnyEvent = { readonly type: string; readonly data: unknown };

/** Every way in which the events of a peer change its keys. */
export const evolveKeys = (keys: PeerKeys, event: AnyEvent): PeerKeys => {
  const { rotation } = keys;
  switch (event.type) {
    case PeerAttached.type:
      return { publicKey: dataOf(PeerAttached, event).public_key, rotation: null, rotations: 0 };
    // A key that nobody announced before: the node has lost its keys, or has older ones again.
    case PeerKeyAnnounced.type: {
      const { public_key } = dataOf(PeerKeyAnnounced, event);
      return public_key === keys.publicKey ? keys : { ...keys, publicKey: public_key, rotation: null };
    }
    case PeerKeyRotationRequested.type: {
      const { rotation: number, reason } = dataOf(PeerKeyRotationRequested, event);
      return { ...keys, rotations: number, rotation: { phase: 'requested', number, reason } };
    }
    case PeerNextKeyAnnounced.type: {
      if (rotation === null) return keys;
      const nextKey = dataOf(PeerNextKeyAnnounced, event).public_key;
      return { ...keys, rotation: { ...startOf(rotation), phase: 'announced', nextKey } };
    }
    case PeerKeySwitchOrdered.type:
      return rotation?.phase === 'announced' ? { ...keys, rotation: { ...rotation, phase: 'ordered' } } : keys;
    case PeerKeySwitched.type: {
      const { public_key, instead_of: previousKey } = dataOf(PeerKeySwitched, event);
      const start = rotation === null ? { number: keys.rotations, reason: 'operator' as const } : startOf(rotation);
      return { ...keys, publicKey: public_key, rotation: { ...start, phase: 'switched', previousKey } };
    }
    case PeerKeyRetired.type:
      return rotation?.phase === 'switched' ? { ...keys, rotation: null } : keys;
    default:
      return keys;
  }
};

const dataOf = <D extends (typeof peerEvents)[number]>(_: D, event: AnyEvent) => event.data as EventOf<D>['data'];

const startOf = ({ number, reason }: Rotation) => ({ number, reason });

interface Ids {
  readonly peer_id: `sdwan_peer-${string}`;
  readonly network_id: `sdwan_network-${string}`;
}
type More = { readonly links: Record<string, string> };

export const decideRotation = (
  command: RotationCommand,
  { publicKey, rotation, rotations }: PeerKeys,
  kind: 'node' | 'device',
  ids: Ids,
  more: More,
) => {
  switch (command.kind) {
    case 'request_rotation':
      if (kind === 'device') return reject(ofDevice());
      if (publicKey === null) return reject(withoutKey());
      if (rotation !== null) return nothing('already_rotating');
      return accept(PeerKeyRotationRequested({ ...ids, rotation: rotations + 1, reason: command.reason }, more));
    case 'announce_next_key':
      if (!isPublicKey(command.publicKey)) return reject(badKey('next_public_key'));
      if (rotation === null || rotation.phase === 'switched' || rotation.number !== command.rotation)
        return nothing('not_rotating');
      if (nextKeyOf(rotation) === command.publicKey) return nothing('unchanged');
      if (command.publicKey === publicKey) return reject(badKey('next_public_key'));
      return accept(PeerNextKeyAnnounced({ ...ids, rotation: rotation.number, public_key: command.publicKey }, more));
    case 'order_switch': {
      if (rotation?.phase !== 'announced' || rotation.nextKey !== command.publicKey) return nothing('not_announced');
      const { publicKey: public_key, heldBy: held_by, absent } = command;
      return accept(PeerKeySwitchOrdered({ ...ids, public_key, held_by, absent: [...absent] }, more));
    }
    case 'retire_key':
      if (rotation?.phase !== 'switched' || rotation.previousKey !== command.publicKey) return nothing('not_switched');
      return accept(PeerKeyRetired({ ...ids, public_key: command.publicKey }, more));
  }
};

const ofDevice = () =>
  refusal(409, 'device_key', "a device's key is not changed from here", {
    field: 'peer_id',
    hint: '`drover vpn refresh` on the device renews its configuration; for another key revoke it and issue another',
  });

const withoutKey = () =>
  refusal(409, 'no_key_yet', 'the peer has announced no key yet', {
    field: 'peer_id',
    hint: 'its agent makes one as soon as it is connected: see system_sdwan_get_peer',
  });

/** Undefined unless the node says that it runs the key that it had announced. */
export const switchedTo = (
  announced: string,
  { publicKey, rotation }: PeerKeys,
  ids: Ids,
  more: More,
): Decision<EventOf<typeof PeerKeySwitched>> | undefined =>
  publicKey !== null && nextKeyOf(rotation) === announced
    ? accept(PeerKeySwitched({ ...ids, public_key: announced, instead_of: publicKey }, more))
    : undefined;
