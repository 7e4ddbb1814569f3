import { position } from '#event-store';
import { FencedError } from '../feed/lane.js';
import type { ProcessingStorage } from '../host/storage.js';

/** What lock, checkpoints, timers and faults must do on any storage. */
export const storageSuite = (
  name: string,
  open: () => Promise<{ storage: ProcessingStorage; close(): Promise<void> }>,
): void => {
  describe(`processing storage in ${name}`, () => {
    let storage: ProcessingStorage;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ storage, close } = await open());
    });
    afterEach(() => close());

    it('gives the lead to one at a time, each time with a later epoch', async () => {
      const first = (await storage.leader.tryLead())!;
      expect(await storage.leader.tryLead()).toBeUndefined();
      await first.release();
      await first.release();
      const second = (await storage.leader.tryLead())!;
      expect(second.epoch).toBeGreaterThan(first.epoch);
      expect(second.lost.aborted).toBe(false);
      await second.release();
    });

    it('keeps checkpoints and refuses those of an earlier epoch', async () => {
      expect(await storage.checkpoints.claim(['a', 'b'], 1)).toEqual(
        new Map([
          ['a', 0n],
          ['b', 0n],
        ] as never),
      );
      await storage.checkpoints.save('a', position(7), 1);
      expect((await storage.checkpoints.claim(['a'], 2)).get('a')).toBe(7n);
      await expect(storage.checkpoints.save('a', position(8), 1)).rejects.toBeInstanceOf(FencedError);
      await storage.checkpoints.save('b', position(3), 1);
      expect((await storage.checkpoints.claim(['a', 'b'], 3)).get('b')).toBe(3n);
      await expect(storage.checkpoints.claim(['a'], 2)).rejects.toBeInstanceOf(FencedError);
    });

    it('keeps the timers of an instance as last said, and tells which are due', async () => {
      const lead = (await storage.leader.tryLead())!;
      const timers = storage.timers(lead.epoch);
      expect(await timers.next()).toBeUndefined();
      await timers.sync('m', 'i', [
        { name: 'late', dueMs: 2_000, setAt: 1 },
        { name: 'soon', dueMs: 1_000, setAt: 1 },
      ]);
      await timers.sync('m', 'other', [{ name: 'soon', dueMs: 1_500, setAt: 4 }]);
      expect(await timers.next()).toBe(1_000);
      expect((await timers.due(1_500, 10)).map((t) => t.instance)).toEqual(['i', 'other']);
      expect(await timers.due(1_500, 1)).toEqual([
        { manager: 'm', instance: 'i', name: 'soon', dueMs: 1_000, setAt: 1 },
      ]);
      await timers.sync('m', 'i', [{ name: 'late', dueMs: 500, setAt: 3 }]);
      expect(await timers.due(9_999, 10)).toMatchObject([
        { name: 'late', dueMs: 500, setAt: 3 },
        { name: 'soon', instance: 'other' },
      ]);
      await timers.sync('m', 'i', []);
      await timers.sync('m', 'other', []);
      expect(await timers.due(9_999, 10)).toEqual([]);
      await lead.release();
    });

    it('lets nobody touch the timers who has been superseded', async () => {
      const first = (await storage.leader.tryLead())!;
      const old = storage.timers(first.epoch);
      await first.release();
      const second = (await storage.leader.tryLead())!;
      await storage.timers(second.epoch).sync('m', 'i', [{ name: 't', dueMs: 1, setAt: 1 }]);
      await expect(old.sync('m', 'i', [])).rejects.toBeInstanceOf(FencedError);
      expect(await storage.timers(second.epoch).next()).toBe(1);
      await second.release();
    });

    it('shows faults until they are cleared', async () => {
      const fault = { lane: 'l', position: position(5), error: 'why\0not', attempts: 1, sinceMs: 1_700_000_000_000 };
      await storage.faults.record(fault);
      await storage.faults.record({ ...fault, attempts: 2 });
      expect(await storage.faults.list()).toMatchObject([
        { lane: 'l', position: 5n, attempts: 2, sinceMs: fault.sinceMs },
      ]);
      await storage.faults.clear('l');
      expect(await storage.faults.list()).toEqual([]);
    });
  });
};
