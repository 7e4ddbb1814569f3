import { position, START, type RecordedEvent } from '../port.js';
import {
  collect,
  freshStream,
  newEvent,
  newEvents,
  readWholeLog,
  request,
  takeEvents,
  type EventStoreHarness,
} from './harness.js';

export const readContract = (harness: EventStoreHarness): void => {
  fidelity(harness);
  order(harness);
  categories(harness);
  if (harness.reopen !== undefined) restart(harness, harness.reopen.bind(harness));
};

const fidelity = (harness: EventStoreHarness): void => {
  it('an empty log has no events, and an absent stream is empty', async () => {
    const store = await harness.open();
    expect(await store.head()).toBe(START);
    expect(await store.readAll(START, { limit: 10 })).toEqual({ events: [], through: START });
    expect(await collect(store.readStream(freshStream()))).toEqual([]);
  });

  it('gives back every field as it was written, odd values included', async () => {
    const store = await harness.open();
    const stream = freshStream();
    const data = {
      text: 'ä漢🚀 "quoted" \\ back\u0000null\u001f\u2028 {}\n',
      numbers: [0, -1, 1.5, 1e21, 9_007_199_254_740_991, 1e-7],
      nested: { '10': 'integer-like keys', '9': [null, true, false, {}, []], '': 'empty key' },
    };
    const written = newEvent('thing.described', data);
    await store.append(request(stream, 'no_stream', [written]));
    const [read] = (await collect(store.readStream(stream))) as [RecordedEvent];
    expect(read).toEqual({ ...written, stream, version: 1, position: read.position, recordedAt: read.recordedAt });
    expect(read.recordedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect((await store.readAll(START, { limit: 10 })).events).toEqual([read]);
  });

  it('what the caller does to its objects afterwards does not reach the log', async () => {
    const store = await harness.open();
    const stream = freshStream();
    const data = { list: [1] };
    await store.append(request(stream, 'any', [newEvent('a.b', data)]));
    data.list.push(2);
    expect((await collect(store.readStream(stream)))[0]!.data).toEqual({ list: [1] });
  });

  it.each([
    'node-ünïcödé',
    'node-漢字',
    'node-🚀🚀',
    'node-a-b--c',
    `node-${'é'.repeat(200)}`,
    "node-';DROP--",
    'node-{"a"},NULL\\',
  ])('stream %s is a stream of its own', async (stream) => {
    const store = await harness.open();
    await store.append(request(stream, 'no_stream', newEvents(2)));
    await store.append(request(`${[...stream].slice(0, -1).join('')}x`, 'no_stream', newEvents(1)));
    const events = await collect(store.readStream(stream));
    expect(events.map((e) => [e.stream, e.version])).toEqual([
      [stream, 1],
      [stream, 2],
    ]);
  });
};

const order = (harness: EventStoreHarness): void => {
  it('reads 10,000 events of one stream in order, and from any version', async () => {
    const store = await harness.open();
    const stream = freshStream();
    // No more at once than a KurrentDB server takes by default.
    for (let done = 0; done < 10_000; done += 1_250) await store.append(request(stream, done, newEvents(1_250)));
    const all = await collect(store.readStream(stream));
    expect(all.map((e) => e.version)).toEqual(Array.from({ length: 10_000 }, (_, index) => index + 1));
    const tail = await collect(store.readStream(stream, 9_998));
    expect(tail.map((e) => e.version)).toEqual([9_998, 9_999, 10_000]);
    expect(await collect(store.readStream(stream, 10_001))).toEqual([]);
  });

  it('resumes the whole log from any position', async () => {
    const store = await harness.open();
    for (let n = 0; n < 40; n++) await store.append(request(freshStream(), 'any', newEvents(1 + (n % 3))));
    const all = await readWholeLog(store, START, 7);
    expect(all).toHaveLength(79);
    for (const [index, event] of all.entries()) {
      const rest = await readWholeLog(store, event.position, 11);
      expect(rest.map((e) => e.id)).toEqual(all.slice(index + 1).map((e) => e.id));
    }
  });

  it('just before an event is a place to read and to subscribe from, too', async () => {
    const store = await harness.open();
    for (let n = 0; n < 4; n++) await store.append(request(freshStream(), 'any', newEvents(2)));
    const all = await readWholeLog(store, START);
    for (const index of [0, 3, 7]) {
      const before = position(all[index]!.position - 1n);
      expect((await store.readAll(before, { limit: 1 })).events).toEqual([all[index]]);
      const seen = await takeEvents(store, before, all.length - index, { batchSize: 2 });
      expect(seen.map((e) => e.id)).toEqual(all.slice(index).map((e) => e.id));
    }
  });

  it('stores that read backwards do so from the end and from any event, newest first', async () => {
    const store = await harness.open();
    if (store.readBackwards === undefined) return expect(store.capabilities.densePositions).toBe(true);
    for (let n = 0; n < 4; n++) await store.append(request(freshStream(), 'any', newEvents(2)));
    const ids = (await readWholeLog(store, START)).map((e) => e.id).reverse();
    const newest = await store.readBackwards(undefined, 3);
    expect(newest.map((e) => e.id)).toEqual(ids.slice(0, 3));
    const rest = await store.readBackwards(newest[2]!.position, 100);
    expect(rest.map((e) => e.id)).toEqual(ids.slice(3));
  });

  it('a read past the head is empty and stays where it is', async () => {
    const store = await harness.open();
    await store.append(request(freshStream(), 'any', newEvents(3)));
    const head = await store.head();
    expect(await store.readAll(head, { limit: 5 })).toEqual({ events: [], through: head });
    const beyond = position(head + 100n);
    expect(await store.readAll(beyond, { limit: 5 })).toEqual({ events: [], through: beyond });
  });

  it('positions and times of recording never go back; dense positions have no gaps after conflicts', async () => {
    const store = await harness.open();
    const stream = freshStream();
    await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        store.append(request(n % 2 ? freshStream() : stream, 'no_stream', newEvents(2))),
      ),
    );
    const all = await readWholeLog(store, START);
    const positions = all.map((e) => e.position);
    expect(positions).toEqual([...positions].sort((a, b) => (a < b ? -1 : 1)));
    const times = all.map((e) => e.recordedAt);
    expect(times).toEqual([...times].sort());
    if (store.capabilities.densePositions) expect(positions).toEqual(all.map((_, index) => BigInt(index + 1)));
  });
};

const categories = (harness: EventStoreHarness): void => {
  it('a category filter leaves out other streams and still moves through to the head', async () => {
    const store = await harness.open();
    for (const category of ['node', 'cluster', 'node_x', 'node', 'cluster']) {
      await store.append(request(freshStream(category), 'any', newEvents(2)));
    }
    const nodes = await store.readAll(START, { limit: 100, categories: ['node'] });
    expect(nodes.events.map((e) => e.stream.split('-')[0])).toEqual(['node', 'node', 'node', 'node']);
    expect(nodes.through).toBe(await store.head());
    const two = await store.readAll(START, { limit: 100, categories: ['cluster', 'node_x'] });
    expect(two.events).toHaveLength(6);
    expect(await store.readAll(START, { limit: 100, categories: ['absent'] })).toEqual({
      events: [],
      through: await store.head(),
    });
  });

  it('a filtered read that is cut short by its limit goes no further than its last event', async () => {
    const store = await harness.open();
    for (let n = 0; n < 6; n++)
      await store.append(request(freshStream(n % 2 ? 'node' : 'cluster'), 'any', newEvents(2)));
    const first = await store.readAll(START, { limit: 3, categories: ['node'] });
    expect(first.through).toBe(first.events.at(-1)!.position);
    const rest = await store.readAll(first.through, { limit: 100, categories: ['node'] });
    expect([...first.events, ...rest.events]).toHaveLength(6);
  });
};

const restart = (
  harness: EventStoreHarness,
  reopen: () => Promise<Awaited<ReturnType<EventStoreHarness['open']>>>,
): void => {
  it('after a restart everything is there, retries are duplicates and versions go on', async () => {
    const before = await harness.open();
    const append = request(freshStream(), 'no_stream', newEvents(3));
    await before.append(append);
    const events = await readWholeLog(before, START);
    await before.close();
    const after = await reopen();
    expect(await readWholeLog(after, START)).toEqual(events);
    expect(await after.append(append)).toMatchObject({ kind: 'duplicate', version: 3 });
    expect(await after.append(request(append.stream, 3, newEvents(1)))).toMatchObject({ kind: 'appended', version: 4 });
  });

  it('two processes that write the same log at once keep one order without gaps', async () => {
    const [one, two] = [await harness.open(), await reopen()];
    const shared = freshStream();
    const writes = Array.from({ length: 100 }, (_, n) =>
      (n % 2 ? one : two).append(request(n % 5 ? freshStream() : shared, n % 5 ? 'no_stream' : 'any', newEvents(1))),
    );
    const outcomes = await Promise.all(writes);
    expect(outcomes.every((o) => o.kind === 'appended')).toBe(true);
    const all = await readWholeLog(one, START);
    expect(all).toHaveLength(100);
    expect(await readWholeLog(two, START)).toEqual(all);
    expect((await collect(two.readStream(shared))).map((e) => e.version)).toEqual(
      Array.from({ length: 20 }, (_, n) => n + 1),
    );
  });
};
