import type { EventCatalogue } from '#kernel';
import type { Batch, EventStore, RecordedEvent } from './port.js';

/**
 * A store whose events are read in their current schema, for everybody who folds them. An event that this build cannot read
 * is thrown (UnreadableEventError) where it is met: a guess would be folded into state. What proves the log (verification,
 * seals, proofs) reads the bytes as they are stored and not through this.
 */
export const currentEvents = (store: EventStore, catalogue: Pick<EventCatalogue, 'current'>): EventStore => {
  const upcast = (batch: Batch): Batch => ({ ...batch, events: batch.events.map((event) => catalogue.current(event)) });
  return {
    capabilities: store.capabilities,
    append: (request) => store.append(request),
    readStream: (stream, fromVersion) => upcastEach(store.readStream(stream, fromVersion), catalogue),
    readAll: async (after, options) => upcast(await store.readAll(after, options)),
    subscribe: async function* (after, options) {
      for await (const batch of store.subscribe(after, options)) yield upcast(batch);
    },
    ...(store.readBackwards && {
      readBackwards: async (before, limit) =>
        (await store.readBackwards!(before, limit)).map((event) => catalogue.current(event)),
    }),
    head: () => store.head(),
    close: () => store.close(),
  };
};

async function* upcastEach(
  events: AsyncIterable<RecordedEvent>,
  catalogue: Pick<EventCatalogue, 'current'>,
): AsyncIterable<RecordedEvent> {
  for await (const event of events) yield catalogue.current(event);
}
