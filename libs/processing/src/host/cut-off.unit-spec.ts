import { systemClock } from '#kernel';
import { MemoryEventStore } from '#event-store';
import { doorHost, until } from '../testing/host-fixture.js';
import { CutOffError, type Leadership, type LeaderLock } from './leader.js';
import { memoryStorage } from './storage.js';

it.each([
  ['cut off says at once that it leads no more, while its work still waits', new CutOffError('no answer'), true],
  ['whose session broke may lead again in a moment, and says nothing', new Error('reset'), false],
])('a leader %s', async (_, reason, isTold) => {
  const lost: AbortController[] = [];
  const leader: LeaderLock = {
    tryLead: async (): Promise<Leadership> => {
      lost.push(new AbortController());
      return { epoch: lost.length, lost: lost.at(-1)!.signal, release: async () => undefined };
    },
    elsewhere: async () => false,
  };
  const store = new MemoryEventStore(systemClock);
  const { host } = doorHost({ store, storage: { ...memoryStorage(), leader } });
  let answer = (): void => undefined;
  // As a query that a silent network never answers.
  host.addWork({ run: ({ epoch }) => (epoch > 1 ? Promise.resolve() : new Promise((resolve) => (answer = resolve))) });
  const told: boolean[] = [];
  host.onLead((leads) => told.push(leads));
  await host.start();
  expect(told).toEqual([true]);
  lost[0]!.abort(reason);
  expect(told).toEqual(isTold ? [true, false] : [true]);
  answer();
  await until('leads again', async () => (await host.status()).epoch === 2);
  expect(told).toEqual(isTold ? [true, false, true] : [true]);
  await host.stop();
});
