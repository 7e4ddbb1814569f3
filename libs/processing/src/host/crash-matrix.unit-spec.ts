import { systemClock } from '#kernel';
import { MemoryEventStore } from '#event-store';
import { crashSuite } from '../testing/crash-suite.js';
import { memoryStorage } from './storage.js';

const steps = ['open', 'claim', 'load', 'commit', 'advance', 'save', 'append', 'sync', 'due', 'next', 'dispatch'];

crashSuite('memory', 1, steps, async () => {
  const store = new MemoryEventStore(systemClock);
  return { store, storage: memoryStorage(), close: () => store.close() };
});
