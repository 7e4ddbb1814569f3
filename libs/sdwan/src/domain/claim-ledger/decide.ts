import { accept, assertNever, nothing, refusal, reject, type Decider, type Decision, type EventOf } from '#kernel';
import { AddressAllocated, AddressReleased } from '../address-ledger/events.js';
import { formatCidr, mustCidr, network, overlaps, type Cidr } from '../ip.js';
import { PodRangeClaimed } from './events.js';

type PeerId = `sdwan_peer-${string}`;
type NetworkId = `sdwan_network-${string}`;

export type ClaimLedgerEvent = EventOf<typeof PodRangeClaimed | typeof AddressAllocated | typeof AddressReleased>;

/** What only one peer of a network can have. */
export interface ClaimLedgerState {
  /** Those with an address: nothing is claimed for a peer that was detached meanwhile. */
  readonly owners: ReadonlySet<string>;
  readonly ranges: ReadonlyMap<string, PeerId>;
}
interface Claims extends ClaimLedgerState {
  readonly owners: Set<string>;
  readonly ranges: Map<string, PeerId>;
}

export interface ClaimRange {
  readonly kind: 'claim_range';
  readonly networkId: NetworkId;
  readonly peerId: PeerId;
  readonly range: Cidr;
  /** The peer that has just been told to do without it; null when nobody had it. */
  readonly from: PeerId | null;
}
export type ClaimLedgerCommand = ClaimRange;

const initial: ClaimLedgerState = { owners: new Set(), ranges: new Map() };

export const canonical = (cidr: Cidr): string => formatCidr(network(cidr));

export const claimLedgerDecider: Decider<ClaimLedgerState, ClaimLedgerCommand, ClaimLedgerEvent> = {
  initial,
  /** Folds in place, like the address ledger on the same stream. */
  evolve(state, event) {
    const claims = (state === initial ? { owners: new Set(), ranges: new Map() } : state) as Claims;
    if (event.type === AddressAllocated.type) claims.owners.add(event.data.owner_id);
    else if (event.type === AddressReleased.type) release(claims, event.data.owner_id);
    else if (event.type === PodRangeClaimed.type) {
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
      default:
        return assertNever(command.kind);
    }
  },
};

const release = (claims: Claims, owner: string): void => {
  claims.owners.delete(owner);
  for (const [range, peer] of claims.ranges) if (peer === owner) claims.ranges.delete(range);
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
