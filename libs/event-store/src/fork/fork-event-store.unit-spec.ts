import { ManualClock } from '#kernel';
import { MemoryEventStore } from '../adapters/memory/memory-event-store.js';
import { collect, newEvent, readWholeLog } from '../contract/harness.js';
import { position, START } from '../port.js';
import { ForkEventStore, readingHalf } from './fork-event-store.js';

const setUp = async () => {
  const clock = new ManualClock();
  const base = new MemoryEventStore(clock);
  const first = newEvent();
  await base.append({ stream: 'node-1', expected: 'no_stream', events: [first, newEvent()] });
  await base.append({ stream: 'node-2', expected: 'no_stream', events: [newEvent()] });
  const fork = new ForkEventStore(readingHalf(base), await base.head(), clock);
  return { base, fork, first, clock };
};
const versions = async (fork: ForkEventStore, stream: string) =>
  (await collect(fork.readStream(stream))).map((e) => e.version);

it('goes on where the other log was, and leaves that one alone', async () => {
  const { base, fork } = await setUp();
  const before = await readWholeLog(base, START);
  expect(await fork.append({ stream: 'node-1', expected: 2, events: [newEvent(), newEvent()] })).toEqual({
    kind: 'appended',
    version: 4,
    position: 5n,
  });
  expect(await fork.append({ stream: 'node-3', expected: 'no_stream', events: [newEvent()] })).toMatchObject({
    kind: 'appended',
    position: 6n,
  });
  expect(await versions(fork, 'node-1')).toEqual([1, 2, 3, 4]);
  expect((await readWholeLog(fork, START, 2)).map((e) => Number(e.position))).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await fork.head()).toBe(6n);
  expect(await readWholeLog(base, START)).toEqual(before);
});

it('does not see what the other log gets afterwards, in streams, pages, versions or duplicates', async () => {
  const { base, fork } = await setUp();
  const later = newEvent();
  await base.append({ stream: 'node-1', expected: 2, events: [later] });
  expect(await versions(fork, 'node-1')).toEqual([1, 2]);
  expect((await readWholeLog(fork, START)).length).toBe(3);
  expect(await fork.append({ stream: 'node-1', expected: 2, events: [later] })).toMatchObject({
    kind: 'appended',
    version: 3,
    position: 4n,
  });
});

it('recognises a retry of what it inherited, and judges expectations on inherited versions', async () => {
  const { fork, first } = await setUp();
  expect(await fork.append({ stream: 'node-1', expected: 'no_stream', events: [first] })).toMatchObject({
    kind: 'duplicate',
    version: 1,
    position: 1n,
  });
  expect(await fork.append({ stream: 'node-1', expected: 'no_stream', events: [newEvent()] })).toEqual({
    kind: 'conflict',
    actual: 2,
  });
});

it('forks in the middle of a log, and of a page', async () => {
  const { base, clock } = await setUp();
  const fork = new ForkEventStore(readingHalf(base), position(1), clock);
  expect(await versions(fork, 'node-1')).toEqual([1]);
  expect(await versions(fork, 'node-2')).toEqual([]);
  await fork.append({ stream: 'node-2', expected: 'no_stream', events: [newEvent('thing.forked')] });
  expect((await readWholeLog(fork, START)).map((e) => [Number(e.position), e.type])).toEqual([
    [1, 'thing.happened'],
    [2, 'thing.forked'],
  ]);
});

it('hands out reads that lead back to no append', async () => {
  const { base } = await setUp();
  expect(Object.keys(readingHalf(base)).sort()).toEqual(['capabilities', 'readAll', 'readStream']);
});
