import { systemClock } from '#kernel';
import { MemoryEventStore } from '../adapters/memory/memory-event-store.js';
import { eventStoreContract } from '../contract/event-store.contract.js';
import { START } from '../port.js';
import { ForkEventStore, readingHalf } from './fork-event-store.js';

eventStoreContract('a fork of an empty log', () => ({
  open: async () => new ForkEventStore(readingHalf(new MemoryEventStore(systemClock)), START, systemClock),
  cleanUp: async () => undefined,
}));
