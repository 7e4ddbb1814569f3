import { compiledCopy } from '../../apps/platform/src/testing/compiled-copy.js';
import { crashRounds } from '../../scripts/soaks/crash-rounds.js';

/** Hundreds of rounds: `npm run soak -- crash-rounds`. */
const ROUNDS = 7;

it('kill -9 amid appends, rollbacks, projections, process managers and timers: nothing lost, doubled or out of order', async () => {
  const seed = Number(process.env['DROVER_TEST_SEED'] ?? 1);
  const { acknowledged, doors, lost, doubled, reordered } = await crashRounds(compiledCopy().root, ROUNDS, seed);
  expect({ lost, doubled, reordered }).toEqual({ lost: 0, doubled: 0, reordered: 0 });
  // Without work under way a kill shows nothing.
  expect(acknowledged).toBeGreaterThan(50);
  expect(doors).toBeGreaterThan(3);
});
