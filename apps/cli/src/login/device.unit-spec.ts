import { nextInterval } from './device.js';

it('waits five seconds longer each time it is told to slow down, and never less again', () => {
  const answers = [{ slow_down: true, interval: 10 }, { slow_down: true, interval: 10 }, { interval: 5 }, {}];
  const waits: number[] = [];
  answers.reduce((interval, answer) => (waits.push(nextInterval(interval, answer)), waits.at(-1)!), 5);
  expect(waits).toEqual([10, 15, 15, 15]);
  // A platform that knows no slow_down says how long.
  expect(nextInterval(5, { interval: 10 })).toBe(10);
});
