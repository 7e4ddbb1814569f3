import { RefusedError } from '#kernel';
import { position } from '#event-store';
import { MemoryReadModelStore } from '../adapters/memory/memory-read-model-store.js';
import { OverlayReadModelStore } from '../adapters/memory/overlay-read-model-store.js';
import type { FindOptions } from '../projection.js';
import { ProjectionLane } from '../projections/projection-lane.js';
import type { ReadModelSnapshot } from '../projections/read-model-snapshot.js';
import type { ReadModelStore } from '../projections/read-model-store.js';
import { anyThings, change, things } from './read-model-suite.js';

type SnapshotStore = ReadModelStore & { snapshot(): Promise<ReadModelSnapshot> };

const laneOf = async (store: ReadModelStore, epoch = 1) => {
  const [table] = await store.open([anyThings], epoch);
  return new ProjectionLane(store, table!, epoch);
};
const EVENTS = [
  ['a', { size: 1, label: 'x' }],
  ['b', { size: 20, label: 'y' }],
  ['c', { size: 3 }],
  ['d', { size: 40, label: 'x' }],
  ['e', { label: 'x' }],
] as const;
/** What happens in the fork: changed, deleted, made again, new. */
const LATER = [
  ['b', { size: 2, label: 'x' }],
  ['d', 'delete'],
  ['f', { size: 50, label: 'x' }],
  ['e', 'delete'],
  ['e', { size: 6 }],
  ['g', { label: null }],
] as const;
const QUERIES: readonly FindOptions[] = [
  {},
  { limit: 2 },
  { limit: 2, after: 'a' },
  { after: 'c' },
  { after: 'f' },
  { where: { label: 'x' } },
  { where: { label: 'x' }, limit: 1 },
  { where: { label: 'x' }, after: 'a', limit: 2 },
  { where: { label: null } },
  { where: { big: true } },
];

/** What a fork of read models must do, over each store that can be forked. */
export const overlaySuite = (
  name: string,
  open: () => Promise<{ store: SnapshotStore; close(): Promise<void> }>,
): void => {
  describe(`a fork of read models in ${name}`, () => {
    let store: SnapshotStore;
    let close: () => Promise<void>;
    let snapshot: ReadModelSnapshot;
    let overlay: OverlayReadModelStore;
    let real: ProjectionLane;
    beforeEach(async () => {
      ({ store, close } = await open());
      real = await laneOf(store);
      let at = 0;
      for (const [key, data] of EVENTS) await real.apply([change(++at, key, data)], position(at));
      snapshot = await store.snapshot();
      overlay = new OverlayReadModelStore();
      overlay.over(snapshot);
    });
    afterEach(async () => {
      await snapshot.close();
      await close();
    });

    it('answers every query as a store would in which the same had happened', async () => {
      const alike = new MemoryReadModelStore();
      for (const [target, all] of [
        [alike, [...EVENTS, ...LATER]],
        [overlay, LATER],
      ] as const) {
        const lane = await laneOf(target);
        let at = Number(lane.position);
        for (const [key, data] of all) await lane.apply([change(++at, key, data)], position(at));
      }
      for (const query of QUERIES)
        expect([query, await overlay.find(things, query)]).toEqual([query, await alike.find(things, query)]);
      for (const key of ['a', 'b', 'd', 'e', 'g', 'none'])
        expect([key, await overlay.get(things, key)]).toEqual([key, await alike.get(things, key)]);
      await expect(overlay.find(things, { after: 'd' })).rejects.toThrow(RefusedError);
      const scanned: string[] = [];
      for await (const page of overlay.scan((await overlay.open([anyThings], 1))[0]!, 2))
        scanned.push(...page.map(([key]) => key));
      expect(scanned).toEqual((await alike.find(things)).map(({ key }) => key));
    });

    it('sees nothing of what happens in the store afterwards, and the store nothing of it', async () => {
      await real.apply([change(6, 'a', 'delete'), change(7, 'late')], position(7));
      const lane = await laneOf(overlay);
      expect(lane.position).toBe(5n);
      await lane.apply([change(6, 'mine')], position(6));
      const keys = async (from: ReadModelStore) => (await from.find(things)).map(({ key }) => key);
      expect(await keys(overlay)).toEqual(['a', 'b', 'c', 'd', 'e', 'mine']);
      expect(await keys(store)).toEqual(['b', 'c', 'd', 'e', 'late']);
      expect((await store.positions([anyThings])).get('things')).toBe(7n);
    });

    it('is refused where readers see another version', async () => {
      const newer = { ...anyThings, version: 2 };
      await expect(overlay.open([newer], 1)).rejects.toMatchObject({ refusal: { code: 'fork_not_ready' } });
    });
  });
};
