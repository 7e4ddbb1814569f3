import { z } from 'zod';
import { vipItem, type VipItem } from '#proto';

/** A VIP item as last heard, by section or by priority message. */
export interface VipTable {
  readonly storeEpoch: string;
  readonly items: ReadonlyMap<string, VipItem>;
  /** Heard of another store epoch: in force until anything newer is heard of them, whose epoch may be lower. */
  readonly outdated: ReadonlySet<string>;
}

export const emptyVipTable: VipTable = { storeEpoch: '', items: new Map(), outdated: new Set() };

export const same = (a: VipItem | undefined, b: VipItem): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The item that a new one of the same VIP has to compare with. */
export const current = (table: VipTable, vipId: string): VipItem | undefined =>
  table.outdated.has(vipId) ? undefined : table.items.get(vipId);

export type VipOffer =
  | { readonly kind: 'taken'; readonly table: VipTable }
  /** A higher epoch is known: a stale message must not move anything back. */
  | { readonly kind: 'stale'; readonly known: number };

/** The higher epoch wins whatever way it came; at the same epoch the newer word counts (a release that follows a move). */
export const offerVip = (table: VipTable, item: VipItem): VipOffer => {
  const known = current(table, item.vip_id);
  if (known !== undefined && known.epoch > item.epoch) return { kind: 'stale', known: known.epoch };
  if (known !== undefined && known.epoch === item.epoch && !known.release_after_move && item.release_after_move)
    return { kind: 'stale', known: known.epoch };
  const outdated = new Set(table.outdated);
  outdated.delete(item.vip_id);
  return { kind: 'taken', table: { ...table, items: new Map(table.items).set(item.vip_id, item), outdated } };
};

/** A whole section: its VIPs are offered, and those of the network it no longer names are forgotten. */
export const offerSection = (table: VipTable, networkId: string, items: readonly VipItem[]): VipTable => {
  const named = new Set(items.map((item) => item.vip_id));
  const kept = [...table.items].filter(([id, item]) => item.network_id !== networkId || named.has(id));
  const outdated = new Set(kept.map(([id]) => id).filter((id) => table.outdated.has(id)));
  let next: VipTable = { ...table, items: new Map(kept), outdated };
  for (const item of items) {
    const offer = offerVip(next, item);
    if (offer.kind === 'taken') next = offer.table;
  }
  return next;
};

/** Another store epoch means a restored or forked platform, whose epochs may be lower: they are taken as they come. */
export const withStoreEpoch = (table: VipTable, storeEpoch: string): VipTable =>
  table.storeEpoch === storeEpoch ? table : { storeEpoch, items: table.items, outdated: new Set(table.items.keys()) };

const stored = z.object({
  storeEpoch: z.string(),
  items: z.array(vipItem),
  /** Not written by agents of before. */
  outdated: z.array(z.string()).default([]),
});

export const serializeVips = ({ storeEpoch, items, outdated }: VipTable): string =>
  JSON.stringify({ storeEpoch, items: [...items.values()], outdated: [...outdated] });

export const parseVips = (text: string): VipTable => {
  const { storeEpoch, items, outdated } = stored.parse(JSON.parse(text));
  return { storeEpoch, items: new Map(items.map((item) => [item.vip_id, item])), outdated: new Set(outdated) };
};
