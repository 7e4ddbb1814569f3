import { systemClock } from '#kernel';
import { eventStoreContract } from '../../contract/event-store.contract.js';
import type { EventStore } from '../../port.js';
import { MemoryEventStore } from './memory-event-store.js';

eventStoreContract('memory', () => {
  const opened: EventStore[] = [];
  return {
    open: async () => {
      const store = new MemoryEventStore(systemClock);
      opened.push(store);
      return store;
    },
    cleanUp: async () => {
      for (const store of opened.splice(0)) await store.close();
    },
  };
});
