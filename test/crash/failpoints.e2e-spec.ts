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
  }, 60_000);

  it('with kill -9 at six failpoints, one after another, on the embedded Postgres', async () => {
    const played = await playOne(root, { failpoints: KILLED, action: 'kill' }, '');
    expect(played.reached.toSorted()).toEqual(KILLED.toSorted());
    expect(played.deaths).toBe(KILLED.filter((name) => !name.startsWith('agent.')).length);
  }, 240_000);

  it('with a second of standstill at four failpoints, on a Postgres server', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'drover-server-'));
    const server = await DatabaseServer.start(dir);
    try {
      const databaseUrl = await server.freshDatabase();
      const played = await playOne(root, { failpoints: STALLED, action: 'sleep', databaseUrl }, '');
      expect(played.reached.toSorted()).toEqual(STALLED.toSorted());
      expect(played.deaths).toBe(0);
    } finally {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  }, 240_000);
});
