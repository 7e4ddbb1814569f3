import { z } from 'zod';
import { vipItem, type VipItem } from '#proto';

/** A VIP item as last heard, by section or by priority message. */
export interface VipTable {
  readonly storeEpoch: string;
  readonly items: ReadonlyMap<string, VipItem>;
  /** Heard of another store epoch: in force until anything newer is heard of them, whose epoch may be lower. */
  readonly outdated: ReadonlySet<string>;
  /**
   * VIPs that were heard of by a priority message and by no section yet, with how far the platform had read its log then. The
   * message overtakes sections, and one that is older cannot name the VIP: it is not gone for that.
   */
  readonly unnamed: ReadonlyMap<string, bigint>;
}

export const emptyVipTable: VipTable = { storeEpoch: '', items: new Map(), outdated: new Set(), unnamed: new Map() };

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

/** As offerVip, by a priority message. `readTo`: undefined from a platform that does not say it. */
export const offerWord = (table: VipTable, item: VipItem, readTo: bigint | undefined): VipOffer => {
  const offer = offerVip(table, item);
  const isNew = current(table, item.vip_id) === undefined || table.unnamed.has(item.vip_id);
  if (offer.kind === 'stale' || readTo === undefined || !isNew) return offer;
  return { kind: 'taken', table: { ...offer.table, unnamed: new Map(table.unnamed).set(item.vip_id, readTo) } };
};

/** A whole section: its VIPs are offered, and those of the network are forgotten that it could name and does not. */
export const offerSection = (
  table: VipTable,
  networkId: string,
  items: readonly VipItem[],
  generation: bigint,
): VipTable => {
  const named = new Set(items.map((item) => item.vip_id));
  const isKept = ([id, item]: [string, VipItem]) =>
    item.network_id !== networkId || named.has(id) || (table.unnamed.get(id) ?? -1n) > generation;
  const kept = new Map([...table.items].filter(isKept));
  const outdated = new Set([...table.outdated].filter((id) => kept.has(id)));
  const unnamed = new Map([...table.unnamed].filter(([id]) => kept.has(id) && !named.has(id)));
  let next: VipTable = { ...table, items: kept, outdated, unnamed };
  for (const item of items) {
    const offer = offerVip(next, item);
    if (offer.kind === 'taken') next = offer.table;
  }
  return next;
};

/** The network is gone, and all that is known of it. */
export const withoutNetwork = (table: VipTable, networkId: string): VipTable => ({
  ...offerSection({ ...table, unnamed: new Map() }, networkId, [], 0n),
  unnamed: new Map([...table.unnamed].filter(([id]) => table.items.get(id)?.network_id !== networkId)),
});

/** Another store epoch means a restored or forked platform, whose epochs may be lower: they are taken as they come. */
export const withStoreEpoch = (table: VipTable, storeEpoch: string): VipTable =>
  table.storeEpoch === storeEpoch
    ? table
    : { storeEpoch, items: table.items, outdated: new Set(table.items.keys()), unnamed: new Map() };

const stored = z.object({
  storeEpoch: z.string(),
  items: z.array(vipItem),
  /** Not written by agents of before. */
  outdated: z.array(z.string()).default([]),
  unnamed: z.record(z.string(), z.string()).default({}),
});

export const serializeVips = ({ storeEpoch, items, outdated, unnamed }: VipTable): string =>
  JSON.stringify({
    storeEpoch,
    items: [...items.values()],
    outdated: [...outdated],
    unnamed: Object.fromEntries([...unnamed].map(([id, readTo]) => [id, String(readTo)])),
  });

export const parseVips = (text: string): VipTable => {
  const { storeEpoch, items, outdated, unnamed } = stored.parse(JSON.parse(text));
  return {
    storeEpoch,
    items: new Map(items.map((item) => [item.vip_id, item])),
    outdated: new Set(outdated),
    unnamed: new Map(Object.entries(unnamed).map(([id, readTo]) => [id, BigInt(readTo)])),
  };
};
