import type { Timers } from '#kernel';
import { stopAll } from './listener.js';

const watched = () => {
  const open = new Set<() => void>();
  const after: Timers['after'] = (_, run) => {
    open.add(run);
    return () => void open.delete(run);
  };
  return { open, timers: { after, every: after } };
};

it('leaves no timer behind when calls have finished before their second is over', async () => {
  const { open, timers } = watched();
  let whileStopping = 0;
  const quick = { stop: async () => void (whileStopping = open.size) };
  await stopAll(timers, [quick, undefined]);
  expect([whileStopping, open.size]).toEqual([1, 0]);
  const broken = { stop: () => Promise.reject(new Error('x')) };
  await expect(stopAll(timers, [broken])).rejects.toThrow('x');
  expect(open.size).toBe(0);
});

it('ends what does not finish', async () => {
  const { open, timers } = watched();
  const stopped = stopAll(timers, [{ stop: (forced) => forced }]);
  for (const run of open) run();
  await stopped;
  expect(open.size).toBe(0);
});
