import type { VipItem } from '#proto';
import { vipItem as vip } from '../testing/vip-item.js';
import {
  current,
  emptyVipTable,
  offerSection as offerSectionOf,
  offerVip,
  offerWord,
  parseVips,
  serializeVips,
  withStoreEpoch,
  withoutNetwork,
  type VipTable,
} from './vip-table.js';

const offerSection = (table: VipTable, networkId: string, items: readonly VipItem[], generation = 10n) =>
  offerSectionOf(table, networkId, items, generation);
const at = (...items: VipItem[]) => offerSection(emptyVipTable, 'n', items);

describe('the VIPs a node knows', () => {
  it('never go back to a lower epoch, whichever way it comes', () => {
    const table = at(vip(5));
    expect(offerVip(table, vip(4))).toEqual({ kind: 'stale', known: 5 });
    expect(offerSection(table, 'n', [vip(4)]).items.get('v')?.epoch).toBe(5);
    expect(offerVip(table, vip(6))).toMatchObject({ kind: 'taken' });
  });

  it('release after a move, and never take the release back', () => {
    const moving = at(vip(5, { release_after_move: true }));
    expect(offerVip(moving, vip(5))).toMatchObject({ kind: 'taken' });
    expect(offerVip(at(vip(5)), vip(5, { release_after_move: true }))).toMatchObject({ kind: 'stale' });
  });

  it('are forgotten when their own network no longer names them', () => {
    const table = offerSection(at(vip(5)), 'other', []);
    expect(table.items.size).toBe(1);
    expect(offerSection(table, 'n', []).items.size).toBe(0);
  });

  it('start anew with another store epoch, and survive the disk with the same', () => {
    const table = withStoreEpoch(at(vip(5)), 'e1');
    const kept = offerSection(table, 'n', [vip(7)]);
    expect(parseVips(serializeVips(kept))).toEqual(kept);
    expect(withStoreEpoch(kept, 'e1')).toBe(kept);
    expect(offerVip(withStoreEpoch(kept, 'e2'), vip(1))).toMatchObject({ kind: 'taken' });
  });

  it('stay in force under another store epoch until it is heard of them, and count no more from then on', () => {
    const known = offerSection(at(vip(5)), 'other', [vip(9, { vip_id: 'w', network_id: 'other' })]);
    const before = withStoreEpoch(known, 'e2');
    expect([...before.items.values()].map((item) => item.epoch)).toEqual([5, 9]);
    expect(parseVips(serializeVips(before))).toEqual(before);
    expect(current(before, 'v')).toBeUndefined();
    const after = offerSection(before, 'n', [vip(2)]);
    expect([current(after, 'v')?.epoch, current(after, 'w')?.epoch]).toEqual([2, undefined]);
    expect(offerVip(after, vip(1))).toEqual({ kind: 'stale', known: 2 });
    expect(offerSection(before, 'other', []).outdated).toEqual(new Set(['v']));
  });

  it('are read from the disk of an agent that knew of nothing outdated', () => {
    const text = JSON.stringify({ storeEpoch: 'e1', items: [vip(5)] });
    expect(offerVip(parseVips(text), vip(4))).toEqual({ kind: 'stale', known: 5 });
  });

  it('stay although a section does not name them that was made before they were heard of, also after a restart', () => {
    const offer = offerWord(at(), vip(2), 12n);
    if (offer.kind === 'stale') throw new Error('it was to be taken');
    for (const table of [offer.table, parseVips(serializeVips(offer.table))]) {
      expect(offerSection(table, 'n', [], 11n).items.get('v')?.epoch).toBe(2);
      expect(offerSection(table, 'n', [], 12n).items.size).toBe(0);
      const named = offerSection(table, 'n', [vip(1)], 11n);
      expect([named.items.get('v')?.epoch, named.unnamed.size]).toEqual([2, 0]);
      // Positions of another log say nothing about this one's.
      expect(offerSection(withStoreEpoch(table, 'e2'), 'n', [], 1n).items.size).toBe(0);
      expect(withoutNetwork(table, 'n')).toMatchObject({ items: new Map(), unnamed: new Map() });
      expect(withoutNetwork(table, 'other')).toEqual(table);
    }
  });

  it('go with a section that could name them, whatever was said of them after another one had', () => {
    const named = offerWord(at(vip(1)), vip(2), 12n);
    expect(named).toMatchObject({ kind: 'taken', table: { unnamed: new Map() } });
    // A platform of before does not say how far it had read.
    expect(offerWord(at(), vip(2), undefined)).toMatchObject({ kind: 'taken', table: { unnamed: new Map() } });
    expect(offerWord(at(vip(3)), vip(2), 12n)).toEqual({ kind: 'stale', known: 3 });
  });
});
