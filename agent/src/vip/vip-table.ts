import { z } from 'zod';
import { vipItem, type VipItem } from '#proto';

/** A VIP item as last heard, by section or by priority message. */
export interface VipTable {
  readonly storeEpoch: string;
  readonly items: ReadonlyMap<string, VipItem>;
}

export const emptyVipTable: VipTable = { storeEpoch: '', items: new Map() };

export type VipOffer =
  | { readonly kind: 'taken'; readonly table: VipTable }
  /** A higher epoch is known: a stale message must not move anything back. */
  | { readonly kind: 'stale'; readonly known: number };

/** The higher epoch wins whatever way it came; at the same epoch the newer word counts (a release that follows a move). */
export const offerVip = (table: VipTable, item: VipItem): VipOffer => {
  const known = table.items.get(item.vip_id);
  if (known !== undefined && known.epoch > item.epoch) return { kind: 'stale', known: known.epoch };
  if (known !== undefined && known.epoch === item.epoch && !known.release_after_move && item.release_after_move)
    return { kind: 'stale', known: known.epoch };
  return { kind: 'taken', table: { ...table, items: new Map(table.items).set(item.vip_id, item) } };
};

/** A whole section: its VIPs are offered, and those of the network it no longer names are forgotten. */
export const offerSection = (table: VipTable, networkId: string, items: readonly VipItem[]): VipTable => {
  const named = new Set(items.map((item) => item.vip_id));
  const kept = [...table.items].filter(([id, item]) => item.network_id !== networkId || named.has(id));
  let next: VipTable = { ...table, items: new Map(kept) };
  for (const item of items) {
    const offer = offerVip(next, item);
    if (offer.kind === 'taken') next = offer.table;
  }
  return next;
};

/** Another store epoch means a restored or forked platform, whose epochs may be lower: they are taken as they come. */
export const withStoreEpoch = (table: VipTable, storeEpoch: string): VipTable =>
  table.storeEpoch === storeEpoch ? table : { storeEpoch, items: new Map() };

const stored = z.object({ storeEpoch: z.string(), items: z.array(vipItem) });

export const serializeVips = (table: VipTable): string =>
  JSON.stringify({ storeEpoch: table.storeEpoch, items: [...table.items.values()] });

export const parseVips = (text: string): VipTable => {
  const raw = stored.parse(JSON.parse(text));
  return { storeEpoch: raw.storeEpoch, items: new Map(raw.items.map((item) => [item.vip_id, item])) };
};
