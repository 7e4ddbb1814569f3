import type { EventOf } from '#kernel';
import { AddressAllocated, AddressReleased, type addressLedgerEvents } from './events.js';

export type AddressLedgerEvent = EventOf<(typeof addressLedgerEvents)[number]>;
export type AddressRange = 'vip' | 'node' | 'device';

export interface Allocation {
  readonly range: AddressRange;
  readonly index: number;
  readonly addressV6: string;
  readonly addressV4: string | null;
}
export interface Resting {
  readonly range: AddressRange;
  readonly index: number;
  readonly untilMs: number;
}

export interface AddressLedgerState {
  readonly byOwner: ReadonlyMap<string, Allocation>;
  /** Highest index ever given out per range: allocation only goes up until a range has been used up once. */
  readonly high: Readonly<Record<AddressRange, number>>;
  /** Released indexes, oldest first. */
  readonly resting: readonly Resting[];
}

export const initialLedger: AddressLedgerState = {
  byOwner: new Map(),
  high: { vip: -1, node: -1, device: -1 },
  resting: [],
};

/** Folds in place where it can: a ledger of thousands of owners must not be copied once an event. */
export const evolveLedger = (state: AddressLedgerState, event: AddressLedgerEvent): AddressLedgerState => {
  const byOwner = state === initialLedger ? new Map<string, Allocation>() : (state.byOwner as Map<string, Allocation>);
  if (event.type === AddressAllocated.type) {
    const d = event.data as EventOf<typeof AddressAllocated>['data'];
    byOwner.set(d.owner_id, { range: d.range, index: d.index, addressV6: d.address_v6, addressV4: d.address_v4 });
    return {
      byOwner,
      high: { ...state.high, [d.range]: Math.max(state.high[d.range], d.index) },
      resting: state.resting.filter((r) => r.range !== d.range || r.index !== d.index),
    };
  }
  if (event.type === AddressReleased.type) {
    const d = event.data as EventOf<typeof AddressReleased>['data'];
    const was = byOwner.get(d.owner_id);
    if (was === undefined) return state;
    byOwner.delete(d.owner_id);
    const rest = { range: was.range, index: was.index, untilMs: Date.parse(d.quarantined_until) };
    return { ...state, byOwner, resting: [...state.resting, rest] };
  }
  return state;
};
