import { RefusedError } from '#kernel';
import { position, START, type RecordedEvent } from '#event-store';
import { FencedError } from '../feed/lane.js';
import { defineProjection, type Projection } from '../projection.js';
import { ProjectionLane } from '../projections/projection-lane.js';
import type { ProjectionTable, ReadModelStore } from '../projections/read-model-store.js';

interface Thing {
  readonly key: string;
  readonly account: string;
  readonly size: number | null;
  readonly label: string | null;
  readonly changes: number;
}

/** Events are as small as a fold needs them: set or delete one key. */
export const change = (at: number, key: string, data: object | 'delete' = {}): RecordedEvent =>
  ({
    type: data === 'delete' ? 'thing.deleted' : 'thing.set',
    position: position(at),
    data: { key, ...(data === 'delete' ? {} : data) },
  }) as unknown as RecordedEvent;

export const things: Projection<Thing> = defineProjection<Thing>({
  name: 'things',
  version: 1,
  keys: (event) => [String(event.data['key'])],
  fold: (doc, event, key) =>
    event.type === 'thing.deleted'
      ? undefined
      : { account: 'a', size: null, label: null, ...event.data, key, changes: (doc?.changes ?? 0) + 1 },
  columns: ({ account, size, label }) => ({ account, size, label, big: size === null ? null : size > 10 }),
  columnTypes: { size: 'bigint', label: 'text', big: 'boolean' },
});
export const anyThings = things as unknown as Projection;

/** What every store of read models must do; run against memory and against real Postgres. */
export const readModelSuite = (
  name: string,
  open: () => Promise<{ store: ReadModelStore; close(): Promise<void> }>,
) => {
  describe(`read models in ${name}`, () => {
    let store: ReadModelStore;
    let close: () => Promise<void>;
    let table: ProjectionTable;
    let lane: ProjectionLane;
    beforeEach(async () => {
      ({ store, close } = await open());
      [table] = (await store.open([anyThings], 1)) as [ProjectionTable];
      lane = new ProjectionLane(store, table, 1);
    });
    afterEach(() => close());
    const keys = async (options: object = {}) => (await store.find(things, options)).map((thing) => thing.key);

    it('answers undefined and nothing for what is not there', async () => {
      expect(await store.get(things, 'x')).toBeUndefined();
      expect(await store.find(things)).toEqual([]);
    });

    it('lists by creation, then key; a change keeps the place, a deletion loses it', async () => {
      await lane.apply([change(1, 'c'), change(2, 'a'), change(3, 'b'), change(4, 'c', { size: 3 })], position(4));
      expect(await keys()).toEqual(['c', 'a', 'b']);
      await lane.apply([change(5, 'c', 'delete'), change(6, 'c'), change(7, 'a', 'delete')], position(7));
      expect(await keys()).toEqual(['b', 'c']);
      expect(await store.get(things, 'c')).toMatchObject({ changes: 1 });
    });

    it('finds by account, text, number, flag and null', async () => {
      const events = [
        change(1, 'p', { size: 5, label: `it's "quoted" \\ ; DROP` }),
        change(2, 'q', { size: 50, account: 'b' }),
        change(3, 'r', { label: 'x'.repeat(5_000) }),
      ];
      await lane.apply(events, position(3));
      expect(await keys({ where: { account: 'b' } })).toEqual(['q']);
      expect(await keys({ where: { label: `it's "quoted" \\ ; DROP` } })).toEqual(['p']);
      expect(await keys({ where: { label: 'x'.repeat(5_000) } })).toEqual(['r']);
      expect(await keys({ where: { size: 50 } })).toEqual(['q']);
      expect(await keys({ where: { big: false, account: 'a' } })).toEqual(['p']);
      expect(await keys({ where: { size: null } })).toEqual(['r']);
    });

    it('refuses unknown columns and bad limits, and says when the page before is gone', async () => {
      await lane.apply([change(1, 'a'), change(2, 'b')], position(2));
      await expect(keys({ where: { 'size; DROP TABLE': 1 } })).rejects.toThrow('has no column');
      await expect(keys({ limit: -1 })).rejects.toThrow('limit');
      expect(await keys({ limit: 0 })).toEqual([]);
      await lane.apply([change(3, 'a', 'delete')], position(3));
      await expect(keys({ after: 'a' })).rejects.toBeInstanceOf(RefusedError);
    });

    it('writes rows and checkpoint together or not at all', async () => {
      await lane.apply([change(1, 'a')], position(10));
      const late = { upserts: new Map(), deletes: ['a'] };
      await expect(store.commit(table, late, START, position(20), 1)).rejects.toBeInstanceOf(FencedError);
      expect(await keys()).toEqual(['a']);
      expect((await store.positions([anyThings])).get('things')).toBe(10n);
    });

    it('refuses every write of a runner that was superseded', async () => {
      await lane.apply([change(1, 'a')], position(1));
      const [taken] = (await store.open([anyThings], 2)) as [ProjectionTable];
      expect(taken.position).toBe(1n);
      await expect(lane.apply([change(2, 'b')], position(2))).rejects.toBeInstanceOf(FencedError);
      await expect(store.advance([table], position(2), 1)).rejects.toBeInstanceOf(FencedError);
      await expect(store.open([anyThings], 1)).rejects.toBeInstanceOf(FencedError);
      await expect(store.activate(table, 1)).rejects.toBeInstanceOf(FencedError);
      expect(await keys()).toEqual(['a']);
      await new ProjectionLane(store, taken, 2).apply([change(2, 'b')], position(2));
      expect(await keys()).toEqual(['a', 'b']);
    });

    it('shows a rebuilt table only from its activation on', async () => {
      await lane.apply([change(1, 'a')], position(1));
      const fresh = new ProjectionLane(store, await store.rebuild(anyThings, 1), 1);
      await fresh.apply([change(1, 'z')], position(1));
      expect(await keys()).toEqual(['a']);
      await fresh.activate();
      expect(await keys()).toEqual(['z']);
      await expect(lane.apply([change(2, 'b')], position(2))).rejects.toThrow();
      expect(await store.open([anyThings], 1)).toHaveLength(1);
    });

    it('keeps a half-built version through a restart and drops one that nobody wants any more', async () => {
      await lane.apply([change(1, 'a')], position(1));
      const v2 = { ...anyThings, version: 2 };
      const [building] = (await store.open([v2], 2)) as [ProjectionTable];
      expect(building).toMatchObject({ state: 'building', position: 0n });
      const half = new ProjectionLane(store, building, 2);
      await half.apply([change(1, 'a')], position(1));
      await half.prepare();
      expect(await store.open([v2], 3)).toMatchObject([{ table: building.table, position: 1n }]);
      expect((await store.positions([v2])).size).toBe(0);
      const [v3] = (await store.open([{ ...anyThings, version: 3 }], 4)) as [ProjectionTable];
      expect(v3).toMatchObject({ state: 'building', position: 0n });
      expect(await store.open([v2], 5)).toMatchObject([{ position: 0n }]);
    });
  });
};
