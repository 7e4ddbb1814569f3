import fc from 'fast-check';

/** When, after the warm-up, something happens to whom. Numbers are taken modulo what there is. */
export type SimEvent = { readonly at: number; readonly node: number } & (
  | { readonly kind: 'pause'; readonly forMs: number }
  | { readonly kind: 'restart'; readonly forMs: number }
  | { readonly kind: 'cut_overlay'; readonly forMs: number }
  | { readonly kind: 'cut_pair'; readonly other: number; readonly forMs: number }
  | { readonly kind: 'cut_control'; readonly forMs: number }
  | { readonly kind: 'clock_step'; readonly byMs: number }
  | { readonly kind: 'platform_pause'; readonly forMs: number }
  | { readonly kind: 'platform_kill'; readonly forMs: number }
  | { readonly kind: 'move' }
  | { readonly kind: 'drain' }
  | { readonly kind: 'health' }
  | { readonly kind: 'change' }
  /** The VIP gets its first holder, where it has none from the start. */
  | { readonly kind: 'allocate' }
  /** A line of nft hangs, and those behind it: the first after `skip` others. */
  | { readonly kind: 'hang_nft'; readonly skip: number; readonly forMs: number }
  | { readonly kind: 'refuse'; readonly times: number }
);

export interface Schedule {
  readonly candidates: 2 | 3 | 5;
  readonly seed: number;
  readonly loss: number;
  readonly maxDelayMs: number;
  /** At most, where it is not as usual: what a write to a disk takes, and a message between an agent and the platform. */
  readonly diskMs?: number;
  readonly controlMs?: number;
  /** A line of nft takes that long at most, and nft dies that often after one; where it is not as usual. */
  readonly nftMs?: number;
  readonly nftDeaths?: number;
  /** The VIP has no holder from the start: it is allocated by an event. */
  readonly unallocated?: boolean;
  /** Nothing but planned moves happens, and nobody is slow: devices are answered all the time. */
  readonly calm?: boolean;
  /** The way between agents and platform stays like that when all else is whole again. */
  readonly lasting?: boolean;
  readonly events: readonly SimEvent[];
}

export const FAULTS_MS = 6_000;

const at = fc.integer({ min: 0, max: FAULTS_MS });
const node = fc.nat(9);
const forMs = fc.integer({ min: 20, max: 4_000 });
const of = <K extends SimEvent['kind']>(kind: K, more: Record<string, fc.Arbitrary<number>> = {}) =>
  fc.record({ kind: fc.constant(kind), at, node, ...more }) as unknown as fc.Arbitrary<SimEvent>;

const weighted = [
  { weight: 5, arbitrary: of('pause', { forMs }) },
  { weight: 3, arbitrary: of('restart', { forMs: fc.nat(2_000) }) },
  { weight: 2, arbitrary: of('cut_overlay', { forMs }) },
  { weight: 3, arbitrary: of('cut_pair', { other: node, forMs }) },
  { weight: 2, arbitrary: of('cut_control', { forMs }) },
  { weight: 1, arbitrary: of('clock_step', { byMs: fc.integer({ min: -3_600_000, max: 3_600_000 }) }) },
  { weight: 2, arbitrary: of('platform_pause', { forMs }) },
  { weight: 2, arbitrary: of('platform_kill', { forMs: fc.nat(3_000) }) },
  { weight: 4, arbitrary: of('move') },
  { weight: 1, arbitrary: of('drain') },
  { weight: 1, arbitrary: of('health') },
  { weight: 3, arbitrary: of('change') },
  { weight: 2, arbitrary: of('hang_nft', { skip: fc.nat(3), forMs }) },
  { weight: 1, arbitrary: of('refuse', { times: fc.integer({ min: 1, max: 3 }) }) },
];

const anything: fc.Arbitrary<Schedule> = fc.record({
  candidates: fc.constantFrom(2 as const, 3 as const, 3 as const, 5 as const),
  seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  loss: fc.constantFrom(0, 0.02, 0.1, 0.4),
  maxDelayMs: fc.constantFrom(2, 40, 400, 1_500),
  events: fc.array(fc.oneof(...weighted), { minLength: 1, maxLength: 14 }),
});

/**
 * What chance alone seldom deals: the first holder hears neither the next one nor the platform, but still a voter, and that
 * voter, or another one, starts anew around the time at which the next holder takes over.
 */
export const estranged: fc.Arbitrary<Schedule> = fc
  .record({
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    loss: fc.constantFrom(0, 0.02),
    maxDelayMs: fc.constantFrom(2, 40),
    moveAt: fc.integer({ min: 50, max: 500 }),
    restartAfter: fc.integer({ min: 100, max: 2_500 }),
    forMs: fc.integer({ min: 2_000, max: 5_000 }),
    voter: fc.constantFrom(2, 2, 2, 0, 1),
    more: fc.array(fc.oneof(...weighted), { maxLength: 3 }),
  })
  .map(({ seed, loss, maxDelayMs, moveAt, restartAfter, forMs: cutMs, voter, more }) => ({
    candidates: 3,
    seed,
    loss,
    maxDelayMs,
    events: [
      { kind: 'cut_control', at: moveAt - 40, node: 0, forMs: cutMs },
      { kind: 'cut_pair', at: moveAt - 40, node: 0, other: 1, forMs: cutMs },
      { kind: 'move', at: moveAt, node: 1 },
      { kind: 'restart', at: moveAt + restartAfter, node: voter, forMs: 5 },
      ...more,
    ],
  }));

/** The platform alone hears nothing of the first holder for a while: the others do, and nothing is to happen. */
export const unseen: fc.Arbitrary<Schedule> = fc
  .record({
    candidates: fc.constantFrom(3 as const, 5 as const),
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    loss: fc.constantFrom(0, 0.02),
    maxDelayMs: fc.constantFrom(2, 40),
    forMs: fc.integer({ min: 1_500, max: 4_000 }),
  })
  .map(({ forMs: cutMs, ...rest }) => ({
    ...rest,
    events: [{ kind: 'cut_control', at: 2_000, node: 0, forMs: cutMs }],
  }));

/** One node does not understand one update, and more updates follow it. */
export const mumbled: fc.Arbitrary<Schedule> = fc
  .record({
    candidates: fc.constantFrom(2 as const, 3 as const),
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    loss: fc.constantFrom(0, 0.1),
    maxDelayMs: fc.constantFrom(2, 400),
    deaf: fc.nat(3),
    changes: fc.array(fc.record({ node: fc.nat(3), at: fc.integer({ min: 1_000, max: FAULTS_MS }) }), {
      minLength: 1,
      maxLength: 6,
    }),
    more: fc.array(fc.oneof(...weighted), { maxLength: 2 }),
  })
  .map(({ deaf, changes, more, ...rest }) => ({
    ...rest,
    events: [
      { kind: 'refuse', at: 900, node: deaf, times: 1 },
      ...changes.map(({ node: who, at: when }) => ({ kind: 'change' as const, at: when, node: who })),
      ...more,
    ],
  }));

/**
 * Everybody is busy: a new holder answers long before it has that on disk, and witnesses answer after the lease, or after
 * another one was asked again.
 */
export const laden: fc.Arbitrary<Schedule> = fc
  .record({
    schedule: anything,
    diskMs: fc.constantFrom(100, 600, 2_000),
    controlMs: fc.constantFrom(30, 300, 1_200),
  })
  .map(({ schedule, ...slow }) => ({ ...schedule, ...slow }));

/** The way to the platform is bad for good: a move is to be done within a bound all the same. */
export const jittery: fc.Arbitrary<Schedule> = fc
  .record({ schedule: anything, controlMs: fc.constantFrom(300, 1_200) })
  .map(({ schedule, controlMs }) => ({ ...schedule, controlMs, lasting: true }));

/** A holder is paused while a line of its nft hangs: what it was to do must not be done when it wakes up, past the lease. */
export const frozen: fc.Arbitrary<Schedule> = fc
  .record({
    candidates: fc.constantFrom(2 as const, 3 as const, 5 as const),
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    loss: fc.constantFrom(0, 0.02),
    maxDelayMs: fc.constantFrom(2, 40),
    nftMs: fc.constantFrom(1, 30, 150),
    nftDeaths: fc.constantFrom(0, 0.02),
    hangs: fc.array(
      fc.record({
        at: fc.integer({ min: 50, max: 4_000 }),
        node: fc.nat(2),
        skip: fc.nat(3),
        forMs: fc.integer({ min: 100, max: 3_000 }),
        pauseAfter: fc.integer({ min: 100, max: 700 }),
        pauseMs: fc.integer({ min: 500, max: 4_000 }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    more: fc.array(fc.oneof(...weighted), { maxLength: 3 }),
  })
  .map(({ hangs, more, ...rest }) => ({
    ...rest,
    events: [
      ...hangs.flatMap(({ at: when, node: who, skip, forMs: hungMs, pauseAfter, pauseMs }) => [
        { kind: 'hang_nft' as const, at: when, node: who, skip, forMs: hungMs },
        { kind: 'pause' as const, at: when + pauseAfter, node: who, forMs: pauseMs },
      ]),
      ...more,
    ],
  }));

/** Planned moves of healthy nodes, with some way between them. */
export const calm: fc.Arbitrary<Schedule> = fc
  .record({
    candidates: fc.constantFrom(2 as const, 3 as const, 5 as const),
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    moves: fc.array(fc.nat(4), { minLength: 1, maxLength: 3 }),
    changes: fc.array(fc.record({ at, node }), { maxLength: 4 }),
    drainsAt: fc.option(fc.integer({ min: 5_000, max: FAULTS_MS }), { nil: undefined }),
  })
  .map(({ moves, changes, drainsAt, ...rest }) => ({
    ...rest,
    loss: 0,
    maxDelayMs: 2,
    calm: true,
    events: [
      ...moves.map((to, n) => ({ kind: 'move' as const, at: 100 + n * 1_600, node: to })),
      ...changes.map((change) => ({ kind: 'change' as const, ...change })),
      ...(drainsAt === undefined ? [] : [{ kind: 'drain' as const, at: drainsAt, node: 0 }]),
    ],
  }));

/** The VIP is allocated and moves while nodes are still busy with sections from before. */
export const firstborn: fc.Arbitrary<Schedule> = fc
  .record({
    candidates: fc.constantFrom(2 as const, 3 as const),
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    loss: fc.constantFrom(0, 0.02),
    maxDelayMs: fc.constantFrom(2, 40),
    diskMs: fc.constantFrom(15, 600, 2_000),
    controlMs: fc.constantFrom(30, 300),
    allocateAt: fc.nat(600),
    moveAfter: fc.integer({ min: 5, max: 400 }),
    changes: fc.array(fc.record({ at: fc.nat(900), node }), { maxLength: 6 }),
    more: fc.array(fc.oneof(...weighted), { maxLength: 2 }),
  })
  .map(({ allocateAt, moveAfter, changes, more, ...rest }) => ({
    ...rest,
    unallocated: true,
    events: [
      { kind: 'allocate' as const, at: allocateAt, node: 0 },
      { kind: 'move' as const, at: allocateAt + moveAfter, node: 1 },
      ...changes.map((change) => ({ kind: 'change' as const, ...change })),
      ...more,
    ],
  }));

/** Beats, losses, doubles, reorders, pauses of up to 4 s, restarts, clock steps, cuts, moves, and a platform that dies. */
export const schedules: fc.Arbitrary<Schedule> = fc.oneof(
  { weight: 6, arbitrary: anything },
  { weight: 1, arbitrary: estranged },
  { weight: 1, arbitrary: mumbled },
  { weight: 1, arbitrary: laden },
  { weight: 1, arbitrary: jittery },
  { weight: 1, arbitrary: unseen },
  { weight: 1, arbitrary: frozen },
  { weight: 1, arbitrary: calm },
  { weight: 1, arbitrary: firstborn },
);
