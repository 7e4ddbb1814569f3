import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock, Timers } from '../clock.js';
import type { Ids } from '../ids.js';
import type { Random } from '../random.js';

/** The machine's own clock, timers, randomness and uuids: the only place that touches them. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

export const systemTimers: Timers = {
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  every: (intervalMs, run) => {
    const timer = setInterval(run, intervalMs);
    return () => clearInterval(timer);
  },
};

export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  unit: () => randomBytes(4).readUInt32BE() / 2 ** 32,
};

export const systemIds: Ids = { uuid: () => randomUUID() };
