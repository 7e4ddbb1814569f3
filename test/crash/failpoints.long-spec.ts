import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FailpointName } from '#kernel';
import { compiledCopy } from '../../apps/platform/src/testing/compiled-copy.js';
import { describeWithRealParts } from '../e2e/support/with-real-parts.js';
import { playOne } from '../../scripts/soaks/failpoints.js';
import { DatabaseServer } from '../../scripts/soaks/support/database-server.js';

const KILLED: readonly FailpointName[] = [
  'append.committed',
  'process.received',
  'timer.due',
  'lead.released',
  'enrolment.appended',
  'agent.peers_written',
];
const STALLED: readonly FailpointName[] = ['append.sent', 'lead.epoch_raised', 'push.delta_planned', 'agent.applying'];

/** Every one of them, alone, killed and stalled, on both: `npm run soak -- failpoints`. */
describeWithRealParts('the story ends as it always does', {}, () => {
  let root: string;
  beforeAll(() => {
    root = compiledCopy().root;
  });

  it('with kill -9 at six failpoints and a second of standstill at four, on a Postgres server', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'drover-server-'));
    const server = await DatabaseServer.start(dir);
    try {
      const databaseUrl = await server.freshDatabase();
      const armed = { failpoints: KILLED, stalls: STALLED, action: 'kill', databaseUrl } as const;
      const played = await playOne(root, armed, '');
      expect(played.reached.toSorted()).toEqual([...KILLED, ...STALLED].toSorted());
      expect(played.deaths).toBe(KILLED.filter((name) => !name.startsWith('agent.')).length);
    } finally {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  }, 600_000);
});
