import { KnownIds } from './known-ids.js';

const run = (stream: string, from: number, count: number) =>
  Array.from({ length: count }, (_, n) => ({ id: `${stream}${from + n}`, revision: from + n }));

it('takes in what continues what is known, and nothing after a gap', () => {
  const known = new KnownIds();
  const ids = known.of('a');
  known.learn(ids, run('a', 0, 2));
  known.learn(ids, run('a', 3, 2));
  expect([ids.through, ids.versionOf('a1'), ids.versionOf('a3')]).toEqual([2, 2, undefined]);
  known.learn(known.of('a'), run('a', 1, 4));
  expect([ids.through, ids.versionOf('a4')]).toEqual([5, 5]);
});

it('forgets the streams that were not used for longest, but not in the hands of who holds one', () => {
  const known = new KnownIds(10);
  for (const stream of ['a', 'b', 'c']) known.learn(known.of(stream), run(stream, 0, 3));
  const held = known.of('a');
  known.learn(known.of('d'), run('d', 0, 4));
  expect(['b', 'c', 'a', 'd'].map((stream) => known.of(stream).through)).toEqual([0, 3, 3, 4]);
  known.learn(known.of('huge'), run('huge', 0, 100));
  expect(known.of('a').through).toBe(0);
  known.learn(held, run('a', 3, 1));
  expect([held.through, held.versionOf('a3'), known.of('a').through]).toEqual([4, 4, 0]);
});

it('keeps nothing of streams that have no events, and learns of one that gets its first', () => {
  const known = new KnownIds(10);
  const fresh = known.of('a');
  for (let n = 0; n < 1_000; n++) known.of(`absent-${n}`);
  expect(known.count).toBe(0);
  const other = known.of('a');
  known.learn(fresh, run('a', 0, 2));
  known.learn(other, run('a', 0, 1));
  expect([known.count, known.of('a').through]).toEqual([1, 2]);
});
