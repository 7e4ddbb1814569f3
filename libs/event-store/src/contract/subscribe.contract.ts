import { START, type Batch, type EventStore, type RecordedEvent } from '../port.js';
import { freshStream, newEvents, readWholeLog, request, takeEvents, type EventStoreHarness } from './harness.js';

export const subscribeContract = (harness: EventStoreHarness): void => {
  delivery(harness);
  flow(harness);
  ending(harness);
};

const delivery = (harness: EventStoreHarness): void => {
  it('delivers the past, then what comes, each event once and in order', async () => {
    const store = await harness.open();
    await store.append(request(freshStream(), 'any', newEvents(5)));
    const seen = takeEvents(store, START, 12, { batchSize: 2 });
    await turn();
    for (let n = 0; n < 7; n++) await store.append(request(freshStream(), 'any', newEvents(1)));
    expect(ids(await seen)).toEqual(ids(await readWholeLog(store, START)));
  });

  it('misses and repeats nothing under racing writers of which some lose', async () => {
    const store = await harness.open();
    const contested = freshStream();
    const subscriptions = [1, 7, 500].map((batchSize) => takeEvents(store, START, 401, { batchSize }));
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, async (_, writer) => {
        let won = 0;
        for (let n = 0; n < 20; n++) {
          await store.append(request(freshStream(writer % 2 ? 'node' : 'cluster'), 'no_stream', newEvents(1)));
          const lost = await store.append(request(contested, 'no_stream', newEvents(1)));
          if (lost.kind === 'appended') won++;
        }
        return won;
      }),
    );
    expect(outcomes.reduce((a, b) => a + b)).toBe(1);
    const expected = ids(await readWholeLog(store, START));
    expect(expected).toHaveLength(401);
    for (const seen of await Promise.all(subscriptions)) expect(ids(seen)).toEqual(expected);
  });

  it('resumes after any position without missing or repeating', async () => {
    const store = await harness.open();
    for (let n = 0; n < 10; n++) await store.append(request(freshStream(), 'any', newEvents(2)));
    const all = await readWholeLog(store, START);
    for (const index of [0, 1, 8, 18]) {
      const rest = await takeEvents(store, all[index]!.position, all.length - index - 1, { batchSize: 3 });
      expect(ids(rest)).toEqual(ids(all.slice(index + 1)));
    }
  });

  it('filters by category and tells how far it has come', async () => {
    const store = await harness.open();
    for (let n = 0; n < 6; n++)
      await store.append(request(freshStream(n % 2 ? 'node' : 'cluster'), 'any', newEvents(1)));
    const head = await store.head();
    const stop = new AbortController();
    const seen: RecordedEvent[] = [];
    for await (const batch of store.subscribe(START, { signal: stop.signal, categories: ['node'] })) {
      seen.push(...batch.events);
      if (batch.through === head) stop.abort();
    }
    expect(seen.map((e) => e.stream.split('-')[0])).toEqual(['node', 'node', 'node']);
  });
};

const flow = (harness: EventStoreHarness): void => {
  it('goes no faster than its consumer and gives no batch larger than asked for', async () => {
    const store = await harness.open();
    await store.append(request(freshStream(), 'any', newEvents(50)));
    const stop = new AbortController();
    const batches: Batch[] = [];
    for await (const batch of store.subscribe(START, { signal: stop.signal, batchSize: 8 })) {
      batches.push(batch);
      // While this batch is worked on, the log grows; what was given out does not.
      if (batches.length < 4) await store.append(request(freshStream(), 'any', newEvents(1)));
      if (batch.through === (await store.head())) stop.abort();
    }
    expect(Math.max(...batches.map((b) => b.events.length))).toBe(8);
    expect(batches.flatMap((b) => ids(b.events))).toEqual(ids(await readWholeLog(store, START)));
    expect(batches.flatMap((b) => b.events)).toHaveLength(53);
  });

  it('a slow consumer does not hold back a fast one', async () => {
    const store = await harness.open();
    const stop = new AbortController();
    const slow = store.subscribe(START, { signal: stop.signal, batchSize: 1 })[Symbol.asyncIterator]();
    const first = slow.next();
    const fast = takeEvents(store, START, 30);
    for (let n = 0; n < 30; n++) await store.append(request(freshStream(), 'any', newEvents(1)));
    expect(await fast).toHaveLength(30);
    expect((await first).value.events).toHaveLength(1);
    stop.abort();
  });
};

const ending = (harness: EventStoreHarness): void => {
  it('ends when aborted: before the start, while waiting, and between batches', async () => {
    const store = await harness.open();
    expect(await drain(store, AbortSignal.abort())).toBe(0);
    const waiting = new AbortController();
    const ended = drain(store, waiting.signal);
    await turn();
    waiting.abort();
    expect(await ended).toBe(0);
    await store.append(request(freshStream(), 'any', newEvents(10)));
    const between = new AbortController();
    const batches: Batch[] = [];
    for await (const batch of store.subscribe(START, { signal: between.signal, batchSize: 1 })) {
      batches.push(batch);
      if (batches.length === 3) between.abort();
    }
    expect(batches).toHaveLength(3);
  });

  it('ends when the consumer walks away, and the store closes', async () => {
    const store = await harness.open();
    await store.append(request(freshStream(), 'any', newEvents(2)));
    for await (const batch of store.subscribe(START, { signal: new AbortController().signal })) {
      expect(batch.events).toHaveLength(2);
      break;
    }
    await store.close();
  });

  it('ends when the store closes', async () => {
    const store = await harness.open();
    const ended = drain(store, new AbortController().signal);
    await turn();
    await store.close();
    expect(await ended).toBe(0);
  });
};

const drain = async (store: EventStore, signal: AbortSignal): Promise<number> => {
  let events = 0;
  for await (const batch of store.subscribe(START, { signal })) events += batch.events.length;
  return events;
};

const ids = (events: readonly RecordedEvent[]) => events.map((e) => e.id);
const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 30));
