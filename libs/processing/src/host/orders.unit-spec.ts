import { systemClock } from '#kernel';
import { MemoryEventStore } from '#event-store';
import { ordersSuite } from '../testing/orders-suite.js';
import { memoryStorage } from './storage.js';

ordersSuite('memory', async () => {
  const store = new MemoryEventStore(systemClock);
  return { store, storage: memoryStorage(), close: () => store.close() };
});
