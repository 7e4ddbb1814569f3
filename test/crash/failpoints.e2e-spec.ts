import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FailpointName } from '#kernel';
import { detectNetwork } from '../../apps/lab/src/level.js';
import { compiledCopy } from '../../apps/platform/src/testing/platform-process.js';
import { playOne } from '../../scripts/soaks/failpoints.js';
import { DatabaseServer } from '../../scripts/soaks/support/database-server.js';

const { encrypted: real, missing } = detectNetwork();
if (!real) {
  process.stderr.write(
    `\n  failpoints with real agents over real WireGuard CANNOT RUN here: ${missing}\n  DROVER_REQUIRE_REAL=1 makes this a failure.\n\n`,
  );
  if (process.env['DROVER_REQUIRE_REAL'] === '1') throw new Error(`DROVER_REQUIRE_REAL=1, but: ${missing}`);
}

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
(real ? describe : describe.skip)('the story ends as it always does', () => {
  let built: ReturnType<typeof compiledCopy>;
  beforeAll(() => {
    built = compiledCopy();
    const k3s = spawnSync(process.execPath, ['test/doubles/k3s/build.mjs', join(built.root, 'dist/doubles/k3s')], {
      encoding: 'utf8',
    });
    if (k3s.status !== 0) throw new Error(k3s.stderr);
  }, 60_000);
  afterAll(() => built?.remove());

  it('with kill -9 at six failpoints, one after another, on the embedded Postgres', async () => {
    const played = await playOne(built.root, { failpoints: KILLED, action: 'kill' }, '');
    expect(played.reached.toSorted()).toEqual(KILLED.toSorted());
    expect(played.deaths).toBe(KILLED.filter((name) => !name.startsWith('agent.')).length);
  }, 240_000);

  it('with a second of standstill at four failpoints, on a Postgres server', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'drover-server-'));
    const server = await DatabaseServer.start(dir);
    try {
      const databaseUrl = await server.freshDatabase();
      const played = await playOne(built.root, { failpoints: STALLED, action: 'sleep', databaseUrl }, '');
      expect(played.reached.toSorted()).toEqual(STALLED.toSorted());
      expect(played.deaths).toBe(0);
    } finally {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  }, 240_000);
});
