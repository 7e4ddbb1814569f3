import { compiledCopy } from '../../apps/platform/src/testing/compiled-copy.js';
import { describeWithRealParts } from './support/with-real-parts.js';
import { problemsOf } from '../../scripts/soaks/stale-holder.js';
import { LoneAgents } from '../../scripts/soaks/support/lone-agents.js';

/** A hundred times: `npm run soak -- stale-holder`. */
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
      const silence = await rig.silence(how);
      process.stderr.write(`  ${how}: ${JSON.stringify(silence)}\n`);
      expect(problemsOf(silence)).toEqual([]);
    },
    30_000,
  );
});
