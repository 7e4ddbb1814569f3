import type { Schedule } from './schedules.js';

/** Schedules under which something once did not hold, or seemed not to, as the soak found them. */
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
  [
    'an old holder that hears of two epochs at once, while a write of before is under way',
    {
      candidates: 3,
      seed: 1040878094,
      loss: 0,
      maxDelayMs: 2,
      events: [
        { kind: 'cut_control', at: 13, node: 0, forMs: 4990 },
        { kind: 'move', at: 53, node: 1 },
        { kind: 'change', at: 11, node: 2 },
        { kind: 'drain', at: 4262, node: 1 },
      ],
    },
  ],
  [
    'an old holder that wakes up two epochs later, while a write of before is under way',
    {
      candidates: 3,
      seed: 2147483644,
      loss: 0.02,
      maxDelayMs: 2,
      events: [
        { kind: 'cut_overlay', at: 4017, node: 9, forMs: 3166 },
        { kind: 'change', at: 4612, node: 1 },
        { kind: 'restart', at: 5321, node: 7, forMs: 802 },
        { kind: 'pause', at: 5660, node: 0, forMs: 2919 },
      ],
    },
  ],
  [
    'a holder that dies while every server is being drained',
    {
      candidates: 2,
      seed: 2126826318,
      loss: 0,
      maxDelayMs: 2,
      events: [
        { kind: 'drain', at: 1870, node: 9 },
        { kind: 'restart', at: 4515, node: 7, forMs: 1748 },
        { kind: 'drain', at: 5559, node: 1 },
      ],
    },
  ],
  [
    'two moves by a way to the platform that takes 1.2 s: each try ended before the answers of its questions came',
    {
      candidates: 3,
      seed: 4,
      loss: 0,
      maxDelayMs: 40,
      controlMs: 1200,
      lasting: true,
      events: [
        { kind: 'refuse', at: 2497, node: 4, times: 1 },
        { kind: 'move', at: 2439, node: 0 },
        { kind: 'health', at: 826, node: 4 },
        { kind: 'move', at: 2699, node: 1 },
      ],
    },
  ],
  [
    'a new holder that hears of its part while the first section of all is still being applied, which is older',
    {
      candidates: 3,
      seed: 30,
      loss: 0.02,
      maxDelayMs: 2,
      diskMs: 2000,
      controlMs: 300,
      events: [
        { kind: 'change', at: 5995, node: 0 },
        { kind: 'cut_pair', at: 3109, node: 8, other: 5, forMs: 30 },
        { kind: 'move', at: 2459, node: 1 },
        { kind: 'health', at: 4, node: 9 },
        { kind: 'move', at: 1, node: 7 },
        { kind: 'pause', at: 2801, node: 0, forMs: 21 },
        { kind: 'pause', at: 4424, node: 4, forMs: 30 },
        { kind: 'platform_kill', at: 5999, node: 8, forMs: 1344 },
        { kind: 'restart', at: 531, node: 8, forMs: 1792 },
        { kind: 'change', at: 3, node: 5 },
        { kind: 'drain', at: 1, node: 9 },
      ],
    },
  ],
  [
    'a new holder whose nft hangs while it is paused: it said that it answers after it had lost the lease and the address',
    {
      candidates: 3,
      seed: 26,
      loss: 0,
      maxDelayMs: 2,
      nftMs: 1,
      nftDeaths: 0,
      events: [
        { kind: 'hang_nft', at: 2685, node: 0, skip: 1, forMs: 796 },
        { kind: 'pause', at: 2868, node: 0, forMs: 2163 },
        { kind: 'hang_nft', at: 3579, node: 2, skip: 1, forMs: 1212 },
        { kind: 'pause', at: 3842, node: 2, forMs: 1295 },
        { kind: 'hang_nft', at: 3203, node: 1, skip: 0, forMs: 2971 },
        { kind: 'pause', at: 3841, node: 1, forMs: 1667 },
      ],
    },
  ],
  [
    'a holder whose interface is not there yet, because its first section is still being written: it said that it answers',
    {
      candidates: 2,
      seed: 111598810,
      loss: 0.02,
      maxDelayMs: 40,
      diskMs: 2000,
      controlMs: 300,
      unallocated: true,
      events: [
        { kind: 'allocate', at: 357, node: 0 },
        { kind: 'change', at: 188, node: 8 },
        { kind: 'change', at: 637, node: 9 },
        { kind: 'pause', at: 7, node: 7, forMs: 860 },
        { kind: 'health', at: 33, node: 6 },
      ],
    },
  ],
];
