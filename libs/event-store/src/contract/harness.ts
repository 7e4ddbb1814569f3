import { systemIds } from '#kernel';
import type { AppendRequest, Batch, EventStore, Expected, NewEvent, Position, RecordedEvent } from '../port.js';

/** What an adapter brings to the contract suite. */
export interface EventStoreHarness {
  /** A store on a fresh, empty log. */
  open(): Promise<EventStore>;
  /** Another instance on the log of the last `open`, as a second process or a restart would have; durable adapters only. */
  reopen?(): Promise<EventStore>;
  /** What the server behind the store takes in one append, when that is less than the port allows. */
  readonly maxAppendBytes?: number;
  /** After each test. Closes every store it opened. */
  cleanUp(): Promise<void>;
}

export const newEvent = (
  type = 'thing.happened',
  data: Record<string, unknown> = {},
  id = systemIds.uuid(),
): NewEvent => ({
  id,
  type,
  schemaVersion: 1,
  data,
  meta: {
    accountId: 'account-1',
    actor: { kind: 'operator', id: 'operator-1' },
    commandId: 'command-1',
    correlationId: 'correlation-1',
    causationId: 'causation-1',
    occurredAt: '2026-01-02T03:04:05.678Z',
    severity: 'info',
    links: { node: 'node-1' },
    topics: ['a.b'],
  },
});

export const newEvents = (count: number, data: Record<string, unknown> = {}): NewEvent[] =>
  Array.from({ length: count }, (_, n) => newEvent('thing.happened', { ...data, n }));

export const request = (stream: string, expected: Expected, events: readonly NewEvent[]): AppendRequest => ({
  stream,
  expected,
  events,
});

let streams = 0;
export const freshStream = (category = 'node'): string => `${category}-${systemIds.uuid().slice(0, 8)}${++streams}`;

export const collect = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
};

/** The whole log from `after`, page by page, as a rebuild reads it. */
export const readWholeLog = async (store: EventStore, after: Position, limit = 1_000): Promise<RecordedEvent[]> => {
  const all: RecordedEvent[] = [];
  for (let cursor = after; ;) {
    const batch: Batch = await store.readAll(cursor, { limit });
    if (batch.through === cursor) return all;
    all.push(...batch.events);
    cursor = batch.through;
  }
};

/** Takes batches from a subscription until it has seen `count` events, then aborts it. */
export const takeEvents = async (
  store: EventStore,
  after: Position,
  count: number,
  options: { categories?: readonly string[]; batchSize?: number } = {},
): Promise<RecordedEvent[]> => {
  const stop = new AbortController();
  const seen: RecordedEvent[] = [];
  for await (const batch of store.subscribe(after, { signal: stop.signal, ...options })) {
    seen.push(...batch.events);
    if (seen.length >= count) stop.abort();
  }
  return seen;
};
