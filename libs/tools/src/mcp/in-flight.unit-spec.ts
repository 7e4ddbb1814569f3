import { InFlight } from './in-flight.js';

it('cancels the call of that session and that number, and nothing else', () => {
  const calls = new InFlight();
  const [mine, theirs, next, text] = [
    calls.begin('a', 1),
    calls.begin('b', 1),
    calls.begin('a', 2),
    calls.begin('a', '1'),
  ];
  calls.cancel('a', 1);
  expect([mine, theirs, next, text].map(({ signal }) => signal.aborted)).toEqual([true, false, false, false]);
  for (const { end } of [mine, theirs, next, text]) end();
  expect(calls.size).toBe(0);
  calls.cancel('b', 1);
  expect(theirs.signal.aborted).toBe(false);
});

it('knows no call of a client that is in no session', () => {
  const calls = new InFlight();
  const { signal, end } = calls.begin(undefined, 1);
  calls.cancel(undefined, 1);
  expect([signal.aborted, calls.size]).toEqual([false, 0]);
  end();
});
