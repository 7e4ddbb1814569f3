import { sleep, systemClock, systemTimers } from '#kernel';
import { MemoryEventStore } from '#event-store';
import { MemoryLeaderLock } from '../adapters/memory/memory-leader-lock.js';
import type { ProcessManager } from '../process-manager.js';
import { doorman, doors, inputsOf, openDoor, typesIn } from '../testing/doors.js';
import { doorHost, until } from '../testing/host-fixture.js';
import { memoryStorage } from './storage.js';

describe('two hosts that both believe they lead', () => {
  it('do everything once between them, and the older one finds out', async () => {
    const store = new MemoryEventStore(systemClock);
    const leader = new MemoryLeaderLock();
    const storage = { ...memoryStorage(), leader };
    const managers = [doorman(30) as unknown as ProcessManager];
    const first = doorHost({ store, storage, managers });
    await first.host.start();
    await until('leads', async () => (await first.host.status()).role === 'leading');
    const { epoch } = await first.host.status();
    const second = doorHost({ store, storage, managers });
    for (let i = 0; i < 60; i++) {
      if (i === 20) {
        // Its lock is gone, and nobody told it.
        leader.lose(false);
        await second.host.start();
      }
      await openDoor(first.transactor, `d${i}`, systemClock.wallMs());
      await sleep(systemTimers, 5);
    }
    await until('the first is fenced', async () => (await first.host.status()).epoch !== epoch);
    await until('all closed', async () => {
      const lengths = await Promise.all(
        Array.from({ length: 60 }, async (_, i) => (await inputsOf(store, `pm_doorman-d${i}`)).length),
      );
      return lengths.every((length) => length === 3);
    });
    for (let i = 0; i < 60; i++) {
      expect(await inputsOf(store, `pm_doorman-d${i}`)).toEqual(['event', 'timer', 'command_result']);
      expect(await typesIn(store, `door-d${i}`)).toEqual(['system.door.opened', 'system.door.closed']);
    }
    await second.host.waitFor(await store.head(), ['doors']);
    expect(await storage.readModels.find(doors, { where: { open: false } })).toHaveLength(60);
    await Promise.all([first.host.stop(), second.host.stop()]);
  });
});
