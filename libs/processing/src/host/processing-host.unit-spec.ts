import { systemClock } from '#kernel';
import { MemoryEventStore } from '#event-store';
import { hostSuite } from '../testing/host-suite.js';
import { memoryStorage } from './storage.js';

hostSuite('memory', async () => {
  const store = new MemoryEventStore(systemClock);
  return { store, storage: memoryStorage(), close: () => store.close() };
});
