import { compiledCopy } from '../../apps/platform/src/testing/compiled-copy.js';
import { leaderKill } from '../../scripts/soaks/leader-kill.js';

/** For what never comes; `npm run soak -- leader-kill` holds take-over after kill -9 to 2 s. */
const BOUND_MS = 120_000;

it('one of two platform processes takes over when the other is killed or stopped, and nothing happens twice', async () => {
  const { kills, stops, events, commands } = await leaderKill(compiledCopy().root, 2, BOUND_MS, BOUND_MS);
  console.info(
    `took over ${kills.join(', ')} ms after kill -9, ${stops.join(', ')} ms after SIGSTOP; ` +
      `${commands} commands of process managers once each, ${events} events`,
  );
  expect([kills.length, stops.length]).toEqual([1, 1]);
  expect(commands).toBeGreaterThan(10);
});
