import { accept, assertNever, isoTime, nothing, refusal, reject, type Decider, type Decision } from '#kernel';
import { formatIp, mustCidr, nth } from '../ip.js';
import { AddressAllocated, AddressReleased } from './events.js';
import {
  evolveLedger,
  initialLedger,
  type AddressLedgerEvent,
  type AddressLedgerState,
  type AddressRange,
} from './state.js';

export const REST_MS = 24 * 60 * 60 * 1000;

/** Where a range starts in the /64, how many it holds, and where its IPv4 twins start in the /20 (VIPs have none). */
const LAYOUT: Record<AddressRange, { readonly v6: bigint; readonly count: number; readonly v4: bigint | null }> = {
  vip: { v6: 0x100n, count: 0xf00, v4: null },
  node: { v6: 0x1_0000n, count: 3072, v4: 16n },
  device: { v6: 0x2_0000n, count: 1000, v4: 3088n },
};

export type AddressLedgerCommand =
  | {
      readonly kind: 'allocate';
      readonly networkId: string;
      readonly ownerId: string;
      readonly range: AddressRange;
      readonly cidr64: string;
      readonly cidrV4: string;
      readonly nowMs: number;
    }
  | { readonly kind: 'release'; readonly networkId: string; readonly ownerId: string; readonly nowMs: number };

export const addressLedgerDecider: Decider<AddressLedgerState, AddressLedgerCommand, AddressLedgerEvent> = {
  initial: initialLedger,
  evolve: evolveLedger,
  decide(command, state): Decision<AddressLedgerEvent> {
    switch (command.kind) {
      case 'allocate':
        return state.byOwner.has(command.ownerId) ? nothing('already_allocated') : allocate(command, state);
      case 'release':
        if (!state.byOwner.has(command.ownerId)) return nothing('not_allocated');
        return accept(
          AddressReleased({
            network_id: command.networkId as `sdwan_network-${string}`,
            owner_id: command.ownerId,
            quarantined_until: isoTime(command.nowMs + REST_MS),
          }),
        );
      default:
        return assertNever(command);
    }
  },
};

const allocate = (
  command: Extract<AddressLedgerCommand, { kind: 'allocate' }>,
  state: AddressLedgerState,
): Decision<AddressLedgerEvent> => {
  const layout = LAYOUT[command.range];
  const fresh = state.high[command.range] + 1;
  const rested = state.resting.find((r) => r.range === command.range && r.untilMs <= command.nowMs);
  const index = fresh < layout.count ? fresh : rested?.index;
  if (index === undefined) return reject(exhausted(command.range, layout.count, state));
  return accept(
    AddressAllocated({
      network_id: command.networkId as `sdwan_network-${string}`,
      owner_id: command.ownerId,
      range: command.range,
      address_v6: formatIp(nth(mustCidr(command.cidr64), layout.v6 + BigInt(index))),
      address_v4: layout.v4 === null ? null : formatIp(nth(mustCidr(command.cidrV4), layout.v4 + BigInt(index))),
      index,
    }),
  );
};

const exhausted = (range: AddressRange, count: number, state: AddressLedgerState) => {
  const resting = state.resting.filter((r) => r.range === range);
  const hint =
    resting.length > 0
      ? `${resting.length} released address(es) rest until ${isoTime(Math.min(...resting.map((r) => r.untilMs)))} at the earliest`
      : 'detach what is no longer needed, or create another network';
  return refusal(409, 'addresses_exhausted', `all ${count} ${range} addresses of the network are in use`, {
    field: 'network_id',
    hint,
  });
};
