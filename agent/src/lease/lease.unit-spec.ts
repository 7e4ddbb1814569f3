import fc from 'fast-check';
import { seededRandom } from '#kernel';
import { LeaseModel, type Schedule, type ScheduleEvent } from './lease-model.js';
import { stepLease } from './lease-step.js';
import {
  initialLease,
  isHeld,
  nextWake,
  safeRules,
  type LeaseConfig,
  type LeaseInput,
  type LeaseRules,
  type LeaseState,
  type LeaseStep,
} from './lease.js';

const RUN_MS = 8_000;
const at = fc.integer({ min: 0, max: RUN_MS });
const event: fc.Arbitrary<ScheduleEvent> = fc.oneof(
  fc.record({ kind: fc.constant('pause' as const), at, node: fc.nat(4), forMs: fc.integer({ min: 50, max: 3_000 }) }),
  fc.record({ kind: fc.constant('restart' as const), at, node: fc.nat(4) }),
  fc.record({
    kind: fc.constant('move' as const),
    at,
    to: fc.nat(4),
    heardAfter: fc.array(fc.option(fc.integer({ min: 0, max: 1_500 })), { minLength: 5, maxLength: 5 }),
  }),
);
const schedules = fc.record({
  nodes: fc.constantFrom(2, 3, 5),
  events: fc.array(event, { maxLength: 12 }),
  seed: fc.integer(),
  loss: fc.constantFrom(0, 0.05, 0.3, 0.6),
  maxDelayMs: fc.constantFrom(2, 100, 900, 2_500),
});

const violations = (s: Omit<Schedule, 'unit'> & { seed: number }, rules: LeaseRules): string[] => {
  const model = new LeaseModel({ ...s, unit: seededRandom(s.seed).unit }, rules);
  model.run(RUN_MS);
  return model.violations;
};

describe('the lease of a VIP', () => {
  it('never has two holders inside their lease, whatever is lost, late, paused or restarted', () => {
    fc.assert(
      fc.property(schedules, (s) => violations(s, safeRules).length === 0),
      { numRuns: 600 },
    );
  });

  it('would be caught if it counted from when the answer arrived', () => {
    const mutant: LeaseRules = { leaseEnd: (_sentAt, ttlMs, confirmedAt) => confirmedAt + ttlMs };
    const result = fc.check(
      fc.property(schedules, (s) => violations(s, mutant).length === 0),
      { seed: 1, numRuns: 3_000, endOnFailure: true },
    );
    expect(result.failed).toBe(true);
  });

  it('gets held at all, and follows a move within a second', () => {
    const model = new LeaseModel(
      {
        nodes: 3,
        events: [{ kind: 'move', at: 2_000, to: 1, heardAfter: [5, 5, 5, 5, 5] }],
        unit: seededRandom(1).unit,
        loss: 0,
        maxDelayMs: 2,
      },
      safeRules,
    );
    model.run(3_000);
    expect(model.holds).toBe(2);
    expect(model.violations).toEqual([]);
  });
});

const config = (more: Partial<LeaseConfig> = {}): LeaseConfig => ({
  vipId: 'v',
  self: 'a',
  epoch: 1,
  holder: true,
  voters: ['a', 'b', 'c'],
  platformVotes: false,
  beatMs: 200,
  ttlMs: 600,
  ...more,
});
/** As the runner does once the promise is on disk: what it says to itself is heard. */
const stepped = (from: LeaseState, input: LeaseInput): LeaseStep => {
  const { state, effects } = stepLease(from, input);
  const own = effects.find((e) => e.kind === 'send' && e.to === state.config?.self);
  if (own?.kind !== 'send') return { state, effects };
  const heard = stepLease(state, { kind: 'message', now: input.now, from: own.to, message: own.message });
  return { state: heard.state, effects: [...effects, ...heard.effects] };
};
const start = (more: Partial<LeaseConfig> = {}): LeaseStep =>
  stepped(initialLease({ promised: 0, grantEpoch: 0 }, 0, 600, 1), {
    kind: 'configure',
    now: 0,
    config: config(more),
  });
const confirm = (state: LeaseState, now: number, seq: number, from = 'b') =>
  stepLease(state, { kind: 'message', now, from, message: { kind: 'confirm', epoch: 1, seq } });

describe('one lease machine', () => {
  it('holds only once a majority has confirmed, counted from when the beat was sent', () => {
    const first = start();
    expect(first.effects).toContainEqual({ kind: 'send', to: 'b', message: { kind: 'beat', epoch: 1, seq: 1 } });
    expect(isHeld(first.state, 0)).toBe(false);
    const held = confirm(first.state, 150, 1);
    expect(held.effects).toEqual([{ kind: 'hold', epoch: 1, until: 600 }]);
    expect(isHeld(held.state, 599)).toBe(true);
    expect(isHeld(held.state, 600)).toBe(false);
  });

  it('counts the platform as a voter where the number of candidates is even', () => {
    const first = start({ voters: ['a', 'b'], platformVotes: true });
    expect(first.effects).toContainEqual({ kind: 'send', to: 'platform', message: { kind: 'beat', epoch: 1, seq: 1 } });
    const held = confirm(first.state, 10, 1, 'platform');
    expect(held.effects[0]).toMatchObject({ kind: 'hold' });
  });

  it('drops the address when the lease runs out', () => {
    const held = confirm(start().state, 10, 1).state;
    const at200 = stepLease(held, { kind: 'tick', now: 200 }).state;
    const at400 = stepLease(at200, { kind: 'tick', now: 400 }).state;
    expect(stepLease(at400, { kind: 'tick', now: 600 }).effects).toContainEqual({
      kind: 'drop',
      epoch: 1,
      reason: 'the lease ran out',
    });
  });

  it('drops after a gap in its own tick and holds again only on a beat sent after it', () => {
    const held = confirm(start().state, 10, 1).state;
    const gap = stepped(held, { kind: 'tick', now: 450 });
    expect(gap.effects[0]).toMatchObject({ kind: 'drop' });
    expect(confirm(gap.state, 460, 1).effects).toEqual([]);
    expect(confirm(gap.state, 470, 2).effects).toEqual([{ kind: 'hold', epoch: 1, until: 1050 }]);
  });

  it('keeps a promise: no lower epoch is confirmed after it, and it says what it had granted', () => {
    const voter = stepLease(initialLease({ promised: 0, grantEpoch: 0 }, 0, 600, 1), {
      kind: 'configure',
      now: 0,
      config: config({ self: 'b', holder: false }),
    }).state;
    const granted = stepLease(voter, {
      kind: 'message',
      now: 100,
      from: 'a',
      message: { kind: 'beat', epoch: 1, seq: 9 },
    });
    expect(granted.effects).toEqual([
      { kind: 'persist', promised: 1, grantEpoch: 1 },
      { kind: 'send', to: 'a', message: { kind: 'confirm', epoch: 1, seq: 9 } },
    ]);
    const promise = stepLease(granted.state, { kind: 'vote_request', now: 300, epoch: 2 });
    expect(promise.effects).toEqual([
      { kind: 'persist', promised: 2, grantEpoch: 1 },
      { kind: 'promise', epoch: 2, granted: true, outstandingMs: 400, holderHeardMsAgo: 200, promisedEpoch: 2 },
    ]);
    const late = stepLease(promise.state, {
      kind: 'message',
      now: 310,
      from: 'a',
      message: { kind: 'beat', epoch: 1, seq: 10 },
    });
    expect(late.effects).toEqual([]);
    const older = stepLease(promise.state, { kind: 'vote_request', now: 320, epoch: 1 });
    expect(older.effects).toContainEqual(
      expect.objectContaining({ kind: 'promise', granted: false, promisedEpoch: 2 }),
    );
  });

  it('confirms the next holder only after the old grant has run out, or was given back', () => {
    const voter = initialLease({ promised: 1, grantEpoch: 1 }, 0, 600, 1);
    const ready = stepLease(voter, { kind: 'configure', now: 0, config: config({ self: 'b', holder: false }) }).state;
    const beat = (now: number, seq: number) => ({
      kind: 'message' as const,
      now,
      from: 'c',
      message: { kind: 'beat' as const, epoch: 2, seq },
    });
    // It is bound from here on: the old holder gets nothing more, which would make the new one wait for ever.
    const held = stepLease(ready, beat(100, 1));
    expect(held.effects).toEqual([{ kind: 'persist', promised: 2, grantEpoch: 1 }]);
    expect(nextWake(held.state)).toBe(600);
    expect(stepLease(held.state, { kind: 'tick', now: 600 }).effects).toContainEqual({
      kind: 'send',
      to: 'c',
      message: { kind: 'confirm', epoch: 2, seq: 1 },
    });
    expect(stepLease(ready, beat(600, 2)).effects).toHaveLength(2);
    const waiting = stepLease(ready, beat(100, 1)).state;
    const given = stepLease(waiting, { kind: 'message', now: 120, from: 'a', message: { kind: 'yield', epoch: 1 } });
    expect(given.effects).toContainEqual({ kind: 'send', to: 'c', message: { kind: 'confirm', epoch: 2, seq: 1 } });
  });

  it('promises no epoch far beyond the one the platform named, and still takes those a voter may have missed', () => {
    const config: LeaseConfig = {
      ...{ vipId: 'v', self: 'b', epoch: 3, holder: false, voters: ['a', 'b', 'c'] },
      ...{ platformVotes: false, beatMs: 200, ttlMs: 600 },
    };
    const voter = stepLease(initialLease({ promised: 3, grantEpoch: 0 }, 0, 600, 0), {
      kind: 'configure',
      now: 0,
      config,
    });
    const hear = (epoch: number) =>
      stepLease(voter.state, { kind: 'message', now: 1, from: 'a', message: { kind: 'beat', epoch, seq: 1 } });
    const forged = hear(Number.MAX_SAFE_INTEGER);
    expect(forged.effects).toEqual([]);
    expect(forged.state.promised).toBe(3);
    expect(hear(5).effects).toContainEqual({ kind: 'send', to: 'a', message: { kind: 'confirm', epoch: 5, seq: 1 } });
  });
});
