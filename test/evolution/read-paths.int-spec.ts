import pg from 'pg';
import { z } from 'zod';
import {
  accept,
  defineEvent,
  deterministicUuid,
  EventCatalogue,
  ManualClock,
  RefusedError,
  silentLog,
  UnreadableEventError,
  type Decider,
  type DomainEvent,
} from '#kernel';
import { LogRecentEvents, PostgresRecentEvents } from '#audit';
import { currentEvents, MemoryEventStore, START, testEventStore, type EventStore, type NewEvent } from '#event-store';
import { Command, createInMemoryPlatform, defineProcessManager, defineProjection, Transactor } from '#processing';
import { DesiredState } from '../../libs/agent-gateway/src/desired/desired-state.js';

/** A kind that was written in three versions: `title`, then `name`, then `name` and `by`. */
const Renamed = defineEvent('system.thing.renamed', 3, z.object({ name: z.string(), by: z.string() }), {
  upcasters: { 1: ({ title, ...rest }) => ({ ...rest, name: title }), 2: (data) => ({ ...data, by: 'unknown' }) },
});
const WRITTEN: readonly [version: number, data: Record<string, unknown>][] = [
  [1, { title: 'a' }],
  [2, { name: 'b' }],
  [3, { name: 'c', by: 'me' }],
];
const READ = [
  { name: 'a', by: 'unknown' },
  { name: 'b', by: 'unknown' },
  { name: 'c', by: 'me' },
];
const NEWER = /stored in schema version 4, but this build knows versions up to 3/;
const catalogue = new EventCatalogue([Renamed]);
const STREAM = 'thing-1';
const ACCOUNT = 'account-a';

const written = (schemaVersion: number, data: Record<string, unknown>): NewEvent => {
  const id = deterministicUuid('written', schemaVersion);
  const meta = { accountId: ACCOUNT, commandId: id, correlationId: id, causationId: id, topics: [], links: {} };
  const actor = { kind: 'operator', id: 'op' } as const;
  const occurredAt = '2026-01-02T03:04:05.678Z';
  return { id, type: Renamed.type, schemaVersion, data, meta: { ...meta, actor, occurredAt, severity: 'info' } };
};
const fill = async (store: EventStore) => {
  for (const [version, data] of WRITTEN)
    await store.append({ stream: STREAM, expected: 'any', events: [written(version, data)] });
};
const fromTheFuture = (store: EventStore) =>
  store.append({ stream: STREAM, expected: 'any', events: [written(4, { name: 'd', by: 'me', why: 'new' })] });

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

type Log = { readonly seen: readonly unknown[] };
const things: Decider<Log, null, DomainEvent> = {
  initial: { seen: [] },
  evolve: ({ seen }, event) => ({ seen: [...seen, event.data] }),
  decide: () => accept(Renamed({ name: 'e', by: 'me' })),
};
const clock = new ManualClock();
let store: MemoryEventStore;
beforeEach(async () => {
  store = new MemoryEventStore(clock);
  await fill(store);
});

describe('every reader is given events of old versions in the current one, and refuses one of a newer version:', () => {
  it('the transactor', async () => {
    const read = () => new Transactor(store, catalogue).read(STREAM, things);
    expect((await read())!.state.seen).toEqual(READ);
    await fromTheFuture(store);
    await expect(read()).rejects.toThrow(NEWER);
  });

  const projection = defineProjection<{ events: unknown[] }>({
    name: 'things',
    version: 1,
    keys: (event) => [event.stream],
    fold: (doc, event) => ({ events: [...(doc?.events ?? []), [event.schemaVersion, event.data]] }),
    columns: () => ({ account: ACCOUNT }),
    columnTypes: {},
  });
  const WITH_VERSION = READ.map((data) => [3, data]);

  it('projections', async () => {
    const platform = createInMemoryPlatform({ definitions: [Renamed as never], store });
    platform.processing.addProjection(projection);
    await platform.drain();
    expect(await platform.readModels.get(projection, STREAM)).toEqual({ events: WITH_VERSION });
    await fromTheFuture(store);
    await expect(platform.drain()).rejects.toThrow(NEWER);
  });

  class Note extends Command<{ seen: unknown[] }> {
    static readonly type = 'test.note';
  }
  const manager = defineProcessManager<{ seen: unknown[] }>({
    name: 'watcher',
    agentId: 'watcher_agent',
    correlate: (event) => (event.stream === STREAM ? '1' : undefined),
    initial: { seen: [] },
    react: (state, input) => {
      if (input.kind !== 'event') return { state, outputs: [] };
      const seen = [...state.seen, input.event.data];
      return { state: { seen }, outputs: [{ kind: 'command', type: Note.type, payload: { seen } }] };
    },
  });
  const watched = (noted: unknown[]) => {
    const platform = createInMemoryPlatform({ definitions: [Renamed as never], store });
    platform.processing.addProcessManager(manager);
    platform.processing.addCommand(Note);
    platform.handle(Note, async ({ payload }) => (noted.push(payload.seen), { kind: 'done', value: undefined }));
    return platform;
  };

  it('process managers, from the feed', async () => {
    const noted: unknown[] = [];
    const platform = watched(noted);
    await platform.drain();
    expect(noted.at(-1)).toEqual(READ);
    await fromTheFuture(store);
    await expect(platform.drain()).rejects.toThrow(NEWER);
  });

  it('process managers, from an inbox that an older build filled', async () => {
    // What stands in an inbox is the event as the build of then saw it.
    const [first] = (await store.readAll(START, { limit: 1 })).events;
    const input = { kind: 'event', event: { ...first, position: String(first!.position) } };
    const data = { manager: 'watcher', instance: '1', input, outputs: [] };
    const inbox = { ...written(9, data), type: 'system.pm.input_received', schemaVersion: 1 };
    await store.append({ stream: 'pm_watcher-1', expected: 'no_stream', events: [inbox] });
    const noted: unknown[] = [];
    await watched(noted).drain();
    expect(noted.at(-1)).toEqual(READ);
  });

  it('sources of desired state, of which one that cannot read stands still and says so', async () => {
    const seen: unknown[] = [];
    const desired = new DesiredState(silentLog, catalogue);
    desired.addSource({ name: 'things', apply: (event) => (seen.push(event.data), []), compile: () => new Map() });
    desired.apply(await store.readAll(START, { limit: 10 }), new Set());
    expect(seen).toEqual(READ);
    expect(desired.faulted().size).toBe(0);
    await fromTheFuture(store);
    desired.apply(await store.readAll(3n as never, { limit: 10 }), new Set());
    expect(seen).toEqual(READ);
    expect(desired.faulted().get('things')).toMatch(NEWER);
  });

  it('the store as contexts are handed it: streams, pages and subscriptions', async () => {
    const read = currentEvents(store, catalogue);
    const byStream: unknown[] = [];
    for await (const { data } of read.readStream(STREAM)) byStream.push(data);
    expect(byStream).toEqual(READ);
    expect((await read.readAll(START, { limit: 10 })).events.map(({ data }) => data)).toEqual(READ);
    const { signal } = new AbortController();
    for await (const { events } of read.subscribe(START, { signal })) {
      expect(events.map(({ data, schemaVersion }) => [schemaVersion, data])).toEqual(WITH_VERSION);
      break;
    }
    await fromTheFuture(store);
    await expect(read.readAll(START, { limit: 10 })).rejects.toThrow(UnreadableEventError);
    await expect(all(read.readStream(STREAM))).rejects.toThrow(NEWER);
    await expect(all(read.subscribe(START, { signal }))).rejects.toThrow(NEWER);
  });

  it('recent_events, over the port and on Postgres', async () => {
    const { store: onPostgres, database } = await testEventStore();
    const pool = new pg.Pool({ ...database.connection, max: 2 });
    try {
      await fill(onPostgres);
      const query = { accountId: ACCOUNT, kindPrefix: '', limit: 10 };
      const readers = [new LogRecentEvents(currentEvents(store, catalogue)), new PostgresRecentEvents(pool, catalogue)];
      for (const recent of readers)
        expect((await recent.find(query)).events.map(({ payload }) => payload)).toEqual(READ);
      await fromTheFuture(store);
      await fromTheFuture(onPostgres);
      for (const recent of readers) await expect(recent.find(query)).rejects.toThrow(NEWER);
    } finally {
      await pool.end();
      await onPostgres.close();
    }
  });
});

it('what is refused because of its version says so in an operator’s words', () => {
  const error = (() => {
    try {
      return catalogue.current(written(4, {}));
    } catch (cause) {
      return cause;
    }
  })();
  expect(error).toBeInstanceOf(UnreadableEventError);
  expect(error).not.toBeInstanceOf(RefusedError);
  expect((error as Error).message).toContain('a newer build wrote it; run that build or a later one');
});
