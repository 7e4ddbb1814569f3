import { detectNetwork } from '../../apps/lab/src/level.js';
import { compiledCopy } from '../../apps/platform/src/testing/platform-process.js';
import { problemsOf } from '../../scripts/soaks/stale-holder.js';
import { LoneAgents } from '../../scripts/soaks/support/lone-agents.js';

const { encrypted: real, missing } = detectNetwork();
if (!real) {
  process.stderr.write(
    `\n  a stale holder over real WireGuard CANNOT BE TESTED here: ${missing}\n  DROVER_REQUIRE_REAL=1 makes this a failure.\n\n`,
  );
  if (process.env['DROVER_REQUIRE_REAL'] === '1') throw new Error(`DROVER_REQUIRE_REAL=1, but: ${missing}`);
}

/** A hundred times: `npm run soak -- stale-holder`. */
(real ? describe : describe.skip)(
  'a holder whose agent is gone or frozen, with a client that still routes to it',
  () => {
    let built: ReturnType<typeof compiledCopy>;
    let rig: LoneAgents;

    beforeAll(async () => {
      built = compiledCopy();
      rig = await LoneAgents.create(built.root);
    }, 60_000);
    afterAll(async () => {
      await rig?.close();
      built?.remove();
    }, 60_000);

    it.each(['SIGSTOP', 'SIGKILL'] as const)(
      'falls silent with its lease after %s: pings, an echoed connection and one that is only pushed to',
      async (how) => {
        const silence = await rig.silence(how);
        process.stderr.write(`  ${how}: ${JSON.stringify(silence)}\n`);
        expect(problemsOf(silence)).toEqual([]);
      },
      30_000,
    );
  },
);
