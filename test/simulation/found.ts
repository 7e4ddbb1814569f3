import type { Schedule } from './schedules.js';

/** Schedules that once did not settle, as the soak found them. */
export const found: readonly (readonly [string, Schedule])[] = [
  [
    'a holder that was given up, and took the VIP after all',
    {
      candidates: 2,
      seed: 7,
      loss: 0,
      maxDelayMs: 1500,
      events: [
        { kind: 'restart', at: 5186, node: 4, forMs: 1223 },
        { kind: 'pause', at: 2313, node: 8, forMs: 2357 },
        { kind: 'drain', at: 5384, node: 5 },
        { kind: 'pause', at: 91, node: 7, forMs: 3928 },
        { kind: 'cut_control', at: 2126, node: 7, forMs: 1307 },
        { kind: 'move', at: 1038, node: 9 },
        { kind: 'restart', at: 2750, node: 3, forMs: 1848 },
        { kind: 'drain', at: 1170, node: 7 },
      ],
    },
  ],
];
