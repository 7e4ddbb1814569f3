import {
  accept,
  assertNever,
  nothing,
  refusal,
  reject,
  type Decider,
  type Decision,
  type EventOf,
  type Refusal,
} from '#kernel';
import { AddressAllocated, AddressReleased } from '../address-ledger/events.js';
import { formatCidr, mustCidr, network, overlaps, type Cidr } from '../ip.js';
import { PeerKeyClaimed, PodRangeClaimed } from './events.js';

type PeerId = `sdwan_peer-${string}`;
type NetworkId = `sdwan_network-${string}`;

export type ClaimLedgerEvent = EventOf<
  typeof PodRangeClaimed | typeof PeerKeyClaimed | typeof AddressAllocated | typeof AddressReleased
>;

/** What only one peer of a network can have. */
export interface ClaimLedgerState {
  /** Those with an address: nothing is claimed for a peer that was detached meanwhile. */
  readonly owners: ReadonlySet<string>;
  readonly ranges: ReadonlyMap<string, PeerId>;
  readonly keys: ReadonlyMap<string, PeerId>;
}
interface Claims extends ClaimLedgerState {
  readonly owners: Set<string>;
  readonly ranges: Map<string, PeerId>;
  readonly keys: Map<string, PeerId>;
}

export interface ClaimRange {
  readonly kind: 'claim_range';
  readonly networkId: NetworkId;
  readonly peerId: PeerId;
  readonly range: Cidr;
  /** The peer that has just been told to do without it; null when nobody had it. */
  readonly from: PeerId | null;
}
export interface ClaimKey {
  readonly kind: 'claim_key';
  readonly networkId: NetworkId;
  readonly peerId: PeerId;
  readonly publicKey: string;
  /** The key that stays the peer's own as well. */
  readonly beside?: string;
}
export type ClaimLedgerCommand = ClaimRange | ClaimKey;

const initial: ClaimLedgerState = { owners: new Set(), ranges: new Map(), keys: new Map() };

export const canonical = (cidr: Cidr): string => formatCidr(network(cidr));

export const claimLedgerDecider: Decider<ClaimLedgerState, ClaimLedgerCommand, ClaimLedgerEvent> = {
  initial,
  /** Folds in place, like the address ledger on the same stream. */
  evolve(state, event) {
    const claims = (state === initial ? { owners: new Set(), ranges: new Map(), keys: new Map() } : state) as Claims;
    if (event.type === AddressAllocated.type) claims.owners.add(event.data.owner_id);
    else if (event.type === AddressReleased.type) release(claims, event.data.owner_id);
    else if (event.type === PeerKeyClaimed.type) {
      const { peer_id, public_key, beside } = event.data as EventOf<typeof PeerKeyClaimed>['data'];
      for (const [key, owner] of claims.keys) if (owner === peer_id && key !== beside) claims.keys.delete(key);
      claims.keys.set(public_key, peer_id as PeerId);
    } else if (event.type === PodRangeClaimed.type) {
      const { peer_id, pod_cidr } = event.data as EventOf<typeof PodRangeClaimed>['data'];
      // Kubernetes gives a node one range of each family: a new one takes the old one's place.
      for (const [range, owner] of claims.ranges)
        if (owner === peer_id && range.includes(':') === pod_cidr.includes(':')) claims.ranges.delete(range);
      claims.ranges.set(pod_cidr, peer_id as PeerId);
    }
    return claims;
  },
  decide(command, state): Decision<ClaimLedgerEvent> {
    if (!state.owners.has(command.peerId))
      return reject(refusal(404, 'peer_not_found', 'the peer was detached', { field: 'peer_id' }));
    switch (command.kind) {
      case 'claim_range':
        return claimRange(command, state);
      case 'claim_key':
        return claimKey(command, state);
      default:
        return assertNever(command);
    }
  },
};

const release = (claims: Claims, owner: string): void => {
  claims.owners.delete(owner);
  forget(claims.ranges, owner);
  forget(claims.keys, owner);
};

const forget = (claimed: Map<string, PeerId>, owner: string): void => {
  for (const [what, peer] of claimed) if (peer === owner) claimed.delete(what);
};

/** Undefined when the key is free or the peer's own. Whose it is is not told: it may be another's device. */
export const keyRefusal = (state: ClaimLedgerState, peerId: string, publicKey: string): Refusal | undefined =>
  (state.keys.get(publicKey) ?? peerId) === peerId
    ? undefined
    : refusal(409, 'public_key_taken', 'another peer of the network has this public key', {
        field: 'public_key',
        hint: 'make a key pair of its own for every peer (`wg genkey`)',
      });

const claimKey = (command: ClaimKey, state: ClaimLedgerState): Decision<ClaimLedgerEvent> => {
  const { networkId: network_id, peerId, publicKey, beside } = command;
  const taken = keyRefusal(state, peerId, publicKey);
  if (taken !== undefined) return reject(taken);
  const others = [...state.keys].filter(([key, owner]) => owner === peerId && key !== publicKey && key !== beside);
  if (state.keys.get(publicKey) === peerId && others.length === 0) return nothing('already_claimed');
  const claim = { peer_id: peerId, network_id, public_key: publicKey };
  return accept(PeerKeyClaimed(beside === undefined ? claim : { ...claim, beside }));
};

const claimRange = (command: ClaimRange, state: ClaimLedgerState): Decision<ClaimLedgerEvent> => {
  const pod_cidr = canonical(command.range);
  const owner = state.ranges.get(pod_cidr) ?? null;
  if (owner === command.peerId) return nothing('already_claimed');
  for (const [range, other] of state.ranges) {
    if (range === pod_cidr || other === command.peerId || !overlaps(mustCidr(range), command.range)) continue;
    return reject(
      refusal(409, 'pod_cidr_overlaps', `${pod_cidr} overlaps ${range} of another peer`, {
        field: 'pod_cidr',
        hint: `detach ${other} or give it another range first`,
      }),
    );
  }
  if (owner !== command.from)
    return reject(
      refusal(409, 'pod_cidr_contended', `${pod_cidr} was claimed by another peer meanwhile`, {
        field: 'pod_cidr',
        hint: 'call again',
      }),
    );
  const { peerId: peer_id, networkId: network_id, from: taken_from } = command;
  return accept(PodRangeClaimed({ peer_id, network_id, pod_cidr, taken_from }));
};
