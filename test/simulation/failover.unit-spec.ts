import fc from 'fast-check';
import { found } from './found.js';
import type { Mutant } from './mutants.js';
import { play } from './run-schedule.js';
import {
  calm,
  estranged,
  firstborn,
  frozen,
  jittery,
  laden,
  mumbled,
  schedules,
  unseen,
  type Schedule,
} from './schedules.js';
import { makeTemplate, type Template } from './template.js';

/** Long: `npm run soak -- failover-sim --schedules 10000`. */
const RUNS = 12;
const SEED = 20261121;

describe('failover under random schedules, with the agents’ and the platform’s own code on virtual time', () => {
  const templates = new Map<number, Template>();
  beforeAll(async () => {
    for (const candidates of [2, 3, 5]) templates.set(candidates, await makeTemplate(candidates));
  });
  const run = (schedule: Schedule, mutant?: Mutant) => play(schedule, templates.get(schedule.candidates)!, mutant);

  it('never has two holders in one epoch nor a holder outside its lease, and always settles', async () => {
    let epochs = 0;
    const property = fc.asyncProperty(schedules, async (schedule) => {
      const played = await run(schedule);
      epochs += played.epochs;
      expect(played.violations).toEqual([]);
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
    // The VIP did move in there.
    expect(epochs).toBeGreaterThan(RUNS + 1);
  });

  it('holds where everybody is slow: disks that need seconds, answers that come after the lease', async () => {
    const property = fc.asyncProperty(laden, async (schedule) => {
      expect((await run(schedule)).violations).toEqual([]);
    });
    await fc.assert(property, { numRuns: 6, seed: SEED });
  });

  it('settles within a bound where the way between agents and platform is slow for good', async () => {
    const property = fc.asyncProperty(jittery, async (schedule) => {
      expect((await run(schedule)).violations).toEqual([]);
    });
    await fc.assert(property, { numRuns: 4, seed: SEED });
  });

  it.each(found)('holds and settles where it once did not: %s', async (_, schedule) => {
    expect((await run(schedule)).violations).toEqual([]);
  });

  const faults: readonly [Mutant, fc.Arbitrary<Schedule>, RegExp][] = [
    ['lease_from_arrival', schedules, /outside its lease|both hold|two holders/],
    ['promise_not_persisted', estranged, /both hold|two holders/],
    ['removed_before_added', schedules, /0 ways to the VIP/],
    ['delta_without_base', mumbled, /not settled .* routes/],
    ['last_update_dropped', schedules, /not settled .* routes/],
    ['witnesses_ignored', unseen, /was given up though it had answered/],
    ['token_not_checked', frozen, /outside its lease/],
    ['devices_told_early', calm, /before it answered/],
    ['devices_not_waited_for', calm, /a device gets no answer/],
    ['words_undated', firstborn, /forgot the VIP/],
  ];
  it.each(faults)(
    'finds the planted fault %s, by a schedule that does no harm without it',
    async (mutant, family, symptom) => {
      const property = fc.asyncProperty(
        family,
        async (s) => !(await run(s, mutant)).violations.some((v) => symptom.test(v)),
      );
      const found = await fc.check(property, { numRuns: 200, seed: SEED, endOnFailure: true });
      expect(found.failed).toBe(true);
      expect((await run(found.counterexample![0])).violations).toEqual([]);
    },
  );
});
