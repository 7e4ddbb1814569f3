import type { EventStore } from './port.js';

/** The same store, its appends made another way: counted, shown. */
export const withAppend = (store: EventStore, append: EventStore['append']): EventStore => ({
  capabilities: store.capabilities,
  append,
  readStream: (stream, fromVersion) => store.readStream(stream, fromVersion),
  readAll: (after, options) => store.readAll(after, options),
  subscribe: (after, options) => store.subscribe(after, options),
  ...(store.readBackwards && { readBackwards: (before, limit) => store.readBackwards!(before, limit) }),
  head: () => store.head(),
  close: () => store.close(),
});
