import { compiledCopy } from '../../apps/platform/src/testing/compiled-copy.js';
import { leaderKill } from '../../scripts/soaks/leader-kill.js';

/** Generous, for loaded machines; `npm run soak -- leader-kill` holds take-over after kill -9 to 2 s. */
const KILL_BOUND_MS = 8_000;
const STOP_BOUND_MS = 15_000;

it('one of two platform processes takes over when the other is killed or stopped, and nothing happens twice', async () => {
  const { kills, stops, events, commands } = await leaderKill(compiledCopy().root, 2, KILL_BOUND_MS, STOP_BOUND_MS);
  console.info(
    `took over ${kills.join(', ')} ms after kill -9, ${stops.join(', ')} ms after SIGSTOP; ` +
      `${commands} commands of process managers once each, ${events} events`,
  );
  expect([kills.length, stops.length]).toEqual([1, 1]);
  expect(commands).toBeGreaterThan(10);
});
