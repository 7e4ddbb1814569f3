import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { detectNetwork } from '../../apps/lab/src/level.js';
import { compiledCopy } from '../../apps/platform/src/testing/platform-process.js';
import { platformAway } from '../../scripts/soaks/support/absence.js';
import { TutorialRig } from '../../scripts/soaks/support/tutorial-rig.js';

const { encrypted: real, missing } = detectNetwork();
if (!real) {
  process.stderr.write(
    `\n  platform-stopped over real WireGuard CANNOT RUN here: ${missing}\n  DROVER_REQUIRE_REAL=1 makes this a failure.\n\n`,
  );
  if (process.env['DROVER_REQUIRE_REAL'] === '1') throw new Error(`DROVER_REQUIRE_REAL=1, but: ${missing}`);
}
const SECONDS = 8;

/** For a minute or longer: `npm run soak -- platform-stopped --seconds 60`. */
(real ? describe : describe.skip)('the platform is away', () => {
  let built: ReturnType<typeof compiledCopy>;
  let rig: TutorialRig;
  let vip: string;

  beforeAll(async () => {
    built = compiledCopy();
    const k3s = spawnSync(process.execPath, ['test/doubles/k3s/build.mjs', join(built.root, 'dist/doubles/k3s')], {
      encoding: 'utf8',
    });
    if (k3s.status !== 0) throw new Error(k3s.stderr);
    rig = await TutorialRig.create(built.root);
    ({ vip } = await rig.play());
  }, 120_000);
  afterAll(async () => {
    await rig?.close();
    built?.remove();
  }, 60_000);

  it.each([
    ['killed', 'SIGKILL'],
    ['stopped', 'SIGSTOP'],
  ] as const)(
    'and the VIP keeps answering while it is %s; it comes back and moves nothing',
    async (_, how) => {
      const { ping, https, problems } = await platformAway(rig, how, SECONDS, vip);
      process.stderr.write(
        `  ${how} for ${SECONDS} s: ${ping.sent} packets, ${ping.lost} lost, longest gap ${ping.longestGapMs.toFixed(0)} ms; ${https.answered} HTTPS answers, longest gap ${https.longestGapMs} ms\n`,
      );
      expect(problems).toEqual([]);
      expect(ping.longestGapMs).toBeLessThan(500);
    },
    40_000,
  );
});
