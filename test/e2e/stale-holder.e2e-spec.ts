import { compiledCopy } from '../../apps/platform/src/testing/compiled-copy.js';
import { describeWithRealParts } from './support/with-real-parts.js';
import { problemsOf } from '../../scripts/soaks/stale-holder.js';
import { LoneAgents } from '../../scripts/soaks/support/lone-agents.js';

/**
 * On a machine that stands still for moments answers arrive late that were given in time, and leases run out early: two looks of
 * five have to be good. A holder that nothing fences goes on answering each time. A hundred times, each within 50 ms: `npm run soak -- stale-holder`.
 */
const MARGIN_MS = 400;
const GOOD_LOOKS = 2;
const MOST_LOOKS = 5;

describeWithRealParts('a holder whose agent is gone or frozen, with a client that still routes to it', {}, () => {
  let rig: LoneAgents;

  beforeAll(async () => {
    rig = await LoneAgents.create(compiledCopy().root);
  });
  afterAll(async () => {
    await rig?.close();
  });

  it.each(['SIGSTOP', 'SIGKILL'] as const)(
    'falls silent with its lease after %s: pings, an echoed connection and one that is only pushed to',
    async (how) => {
      const looks: (readonly string[])[] = [];
      const good = () => looks.filter((problems) => problems.length === 0).length;
      while (looks.length < MOST_LOOKS && good() < GOOD_LOOKS) {
        const silence = await rig.silence(how);
        process.stderr.write(`  ${how}: ${JSON.stringify(silence)}\n`);
        looks.push(problemsOf(silence, MARGIN_MS));
      }
      // Shown, where it is not so, with what was wrong at each look.
      expect(good() >= GOOD_LOOKS ? [] : looks).toEqual([]);
    },
  );
});
