import {
  EventStoreUnavailableError,
  InvalidAppendError,
  MAX_EVENT_BYTES,
  type AppendOutcome,
  type EventStore,
  type Expected,
  type NewEvent,
} from '../port.js';
import { canonicalJson } from '#kernel';
import { collect, freshStream, newEvent, newEvents, request, type EventStoreHarness } from './harness.js';

export const appendContract = (harness: EventStoreHarness): void => {
  expectations(harness);
  duplicates(harness);
  races(harness);
  limits(harness);
};

const expectations = (harness: EventStoreHarness): void => {
  const cases: [existing: number, expected: Expected, ok: boolean][] = [
    [0, 'no_stream', true],
    [0, 'stream_exists', false],
    [0, 'any', true],
    [0, 0, true],
    [0, 1, false],
    [0, 7, false],
    [3, 'no_stream', false],
    [3, 'stream_exists', true],
    [3, 'any', true],
    [3, 0, false],
    [3, 2, false],
    [3, 3, true],
    [3, 4, false],
  ];
  it.each(cases)('a stream of %i events and the expectation %p: accepted is %p', async (existing, expected, ok) => {
    const store = await harness.open();
    const stream = freshStream();
    if (existing > 0) await store.append(request(stream, 'no_stream', newEvents(existing)));
    const outcome = await store.append(request(stream, expected, newEvents(2)));
    if (ok) expect(outcome).toMatchObject({ kind: 'appended', version: existing + 2 });
    else expect(outcome).toEqual({ kind: 'conflict', actual: existing });
    expect(await collect(store.readStream(stream))).toHaveLength(ok ? existing + 2 : existing);
  });

  it('a refused append leaves no trace in the log', async () => {
    const store = await harness.open();
    await store.append(request(freshStream(), 'no_stream', newEvents(1)));
    const head = await store.head();
    await store.append(request(freshStream(), 'stream_exists', newEvents(3)));
    expect(await store.head()).toBe(head);
  });

  it('an append of several events is one run of versions and positions', async () => {
    const store = await harness.open();
    const stream = freshStream();
    const outcome = await store.append(request(stream, 'no_stream', newEvents(5)));
    const events = await collect(store.readStream(stream));
    expect(events.map((e) => e.version)).toEqual([1, 2, 3, 4, 5]);
    expect(outcome).toEqual({ kind: 'appended', version: 5, position: events.at(-1)!.position });
    expect(await store.head()).toBe(events.at(-1)!.position);
  });
};

const duplicates = (harness: EventStoreHarness): void => {
  it('a retry with the same ids is a duplicate and answers as the first try did', async () => {
    const store = await harness.open();
    const first = request(freshStream(), 'no_stream', newEvents(3));
    const outcome = await store.append(first);
    expect(await store.append(first)).toEqual({ ...outcome, kind: 'duplicate' });
    expect(await collect(store.readStream(first.stream))).toHaveLength(3);
  });

  it('a retry is a duplicate also after others have appended', async () => {
    const store = await harness.open();
    const first = request(freshStream(), 'no_stream', newEvents(2));
    const outcome = await store.append(first);
    await store.append(request(first.stream, 2, newEvents(4)));
    await store.append(request(freshStream(), 'any', newEvents(1)));
    expect(await store.append(first)).toEqual({ ...outcome, kind: 'duplicate' });
    expect(await store.append({ ...first, expected: 'any' })).toEqual({ ...outcome, kind: 'duplicate' });
  });

  it('racing retries of one append write it once', async () => {
    const store = await harness.open();
    const append = request(freshStream(), 'no_stream', newEvents(2));
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => store.append(append)));
    expect(count(outcomes, 'appended')).toBe(1);
    expect(count(outcomes, 'duplicate')).toBe(19);
    expect(await collect(store.readStream(append.stream))).toHaveLength(2);
  });

  it('ids of which only some are known are no retry: a conflict where the expectation fails, else refused', async () => {
    const store = await harness.open();
    const stream = freshStream();
    const [known] = newEvents(1) as [NewEvent];
    await store.append(request(stream, 'no_stream', [known]));
    const mixed = [known, newEvent()];
    expect(await store.append(request(stream, 'no_stream', mixed))).toEqual({ kind: 'conflict', actual: 1 });
    await expect(store.append(request(stream, 1, mixed))).rejects.toBeInstanceOf(InvalidAppendError);
    expect(await collect(store.readStream(stream))).toHaveLength(1);
  });

  it('ids that another stream has are never answered as a duplicate; a store that looks at all ids refuses them', async () => {
    const store = await harness.open();
    const events = newEvents(2);
    await store.append(request(freshStream(), 'no_stream', events));
    const other = freshStream();
    const append = store.append(request(other, 'no_stream', events));
    if (store.capabilities.uniqueIds) await expect(append).rejects.toBeInstanceOf(InvalidAppendError);
    else expect(await append).toMatchObject({ kind: 'appended', version: 2 });
    expect(await collect(store.readStream(other))).toHaveLength(store.capabilities.uniqueIds ? 0 : 2);
  });

  it('of two racing appends with one event id to two streams one is written; the other is refused or an event of its own', async () => {
    const store = await harness.open();
    const events = newEvents(1);
    const bystander = store.append(request(freshStream(), 'no_stream', newEvents(1)));
    const racers = [freshStream(), freshStream()].map((stream) => store.append(request(stream, 'no_stream', events)));
    const settled = await Promise.allSettled(racers);
    const refused = settled.filter((s) => s.status === 'rejected').map((s): unknown => s.reason);
    expect(refused).toEqual(store.capabilities.uniqueIds ? [expect.any(InvalidAppendError)] : []);
    for (const s of settled) if (s.status === 'fulfilled') expect(s.value).toMatchObject({ kind: 'appended' });
    expect(await bystander).toMatchObject({ kind: 'appended' });
  });
};

const races = (harness: EventStoreHarness): void => {
  it('of racing creators of one stream exactly one wins', async () => {
    const store = await harness.open();
    const stream = freshStream();
    const tries = Array.from({ length: 50 }, () => store.append(request(stream, 'no_stream', newEvents(1))));
    const outcomes = await Promise.all(tries);
    expect(count(outcomes, 'appended')).toBe(1);
    expect(outcomes.filter((o) => o.kind === 'conflict').every((o) => o.actual === 1)).toBe(true);
    expect(await collect(store.readStream(stream))).toHaveLength(1);
  });

  it('writers that retry on conflict lose nothing: versions are 1..n and each event is there once', async () => {
    const store = await harness.open();
    const stream = freshStream();
    const ids = await Promise.all(Array.from({ length: 16 }, () => appendWithRetry(store, stream, 4)));
    const events = await collect(store.readStream(stream));
    expect(events.map((e) => e.version)).toEqual(events.map((_, index) => index + 1));
    expect(new Set(events.map((e) => e.id))).toEqual(new Set(ids.flat()));
    expect(events).toHaveLength(64);
  });

  it('unconditional racing appends to one stream are all accepted', async () => {
    const store = await harness.open();
    const stream = freshStream();
    const tries = Array.from({ length: 30 }, () => store.append(request(stream, 'any', newEvents(2))));
    expect(count(await Promise.all(tries), 'appended')).toBe(30);
    expect(await collect(store.readStream(stream))).toHaveLength(60);
  });
};

const limits = (harness: EventStoreHarness): void => {
  const sized = (bytes: number): NewEvent => {
    const empty = newEvent('thing.grew', { text: '' });
    const room = bytes - Buffer.byteLength(canonicalJson({ data: empty.data, meta: empty.meta }));
    return { ...empty, data: { text: 'x'.repeat(room) } };
  };

  it('the largest event is kept byte for byte: 1 MiB, or less where the server behind the store takes less', async () => {
    const store = await harness.open();
    const stream = freshStream();
    const largest = sized(harness.maxAppendBytes === undefined ? MAX_EVENT_BYTES : harness.maxAppendBytes - 1_024);
    expect(await store.append(request(stream, 'no_stream', [largest]))).toMatchObject({ kind: 'appended' });
    expect((await collect(store.readStream(stream)))[0]!.data).toEqual(largest.data);
    const refused =
      harness.maxAppendBytes === undefined ? [MAX_EVENT_BYTES + 1] : [MAX_EVENT_BYTES, MAX_EVENT_BYTES + 1];
    for (const bytes of refused)
      await expect(store.append(request(stream, 1, [sized(bytes)]))).rejects.toBeInstanceOf(InvalidAppendError);
    expect(await collect(store.readStream(stream))).toHaveLength(1);
  });

  const malformed: [string, () => ReturnType<typeof request>][] = [
    ['no events', () => request(freshStream(), 'any', [])],
    ['a stream without a category', () => request('nodash', 'any', newEvents(1))],
    ['a stream name with a blank', () => request('node-a b', 'any', newEvents(1))],
    ['a stream name with a control character', () => request('node-a\u0000', 'any', newEvents(1))],
    ['a stream name with half a character', () => request('node-\ud800', 'any', newEvents(1))],
    ['a negative version', () => request(freshStream(), -1, newEvents(1))],
    ['a version that is no integer', () => request(freshStream(), 1.5, newEvents(1))],
    ['an id that is no uuid', () => request(freshStream(), 'any', [newEvent('a.b', {}, 'one')])],
    ['the same id twice', () => request(freshStream(), 'any', Array<NewEvent>(2).fill(newEvent()))],
    ['a number that JSON cannot hold', () => request(freshStream(), 'any', [newEvent('a.b', { n: Number.NaN })])],
  ];
  it.each(malformed)('refuses %s, and goes on working', async (_, make) => {
    const store = await harness.open();
    await expect(store.append(make())).rejects.toBeInstanceOf(InvalidAppendError);
    expect(await store.append(request(freshStream(), 'no_stream', newEvents(1)))).toMatchObject({ kind: 'appended' });
  });

  it('a closed store refuses appends and reads as unavailable', async () => {
    const store = await harness.open();
    await store.close();
    await expect(store.append(request(freshStream(), 'any', newEvents(1)))).rejects.toBeInstanceOf(
      EventStoreUnavailableError,
    );
    await expect(collect(store.readStream('node-1'))).rejects.toBeInstanceOf(EventStoreUnavailableError);
  });
};

const count = (outcomes: readonly AppendOutcome[], kind: AppendOutcome['kind']) =>
  outcomes.filter((o) => o.kind === kind).length;

const appendWithRetry = async (store: EventStore, stream: string, rounds: number): Promise<string[]> => {
  const ids: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const events = newEvents(1);
    for (let version = 0; ;) {
      const outcome = await store.append(request(stream, version, events));
      if (outcome.kind !== 'conflict') break;
      version = outcome.actual;
    }
    ids.push(events[0]!.id);
  }
  return ids;
};
