import type { StepTiming } from '../../apps/lab/src/demo/narrator.js';
import { sleep } from '../../apps/lab/src/processes.js';
import { compiledCopy } from '../../apps/platform/src/testing/compiled-copy.js';
import { describeWithRealParts } from './support/with-real-parts.js';
import { platformAway } from '../../scripts/soaks/support/absence.js';
import { TutorialRig } from '../../scripts/soaks/support/tutorial-rig.js';

const slowest = (timings: readonly StepTiming[]) =>
  timings
    .toSorted((a, b) => b.ms - a.ms)
    .slice(0, 4)
    .map(({ step, ms }) => `${step.slice(0, 60)}: ${ms} ms`);

const AWAY_SECONDS = 4;
/** Shorter than the platform is away; with less a machine at its limit moves the VIP by itself, which is no fault of the platform's absence. */
const PATIENT = { DROVER_VIP_LEASE_MS: '2000' };

/** The long versions: `npm run soak -- platform-kill` at random moments, `npm run soak -- platform-stopped --seconds 60`. */
describeWithRealParts('the platform dies or stands still around tutorial 04', {}, () => {
  let rig: TutorialRig;
  let vip: string;

  beforeAll(async () => {
    rig = await TutorialRig.create(compiledCopy().root, PATIENT);
  }, 180_000);
  afterAll(async () => {
    await rig?.close();
  }, 180_000);

  const HELD_BACK_MS = 1_500;

  const seen = async (kind: string, times = 1): Promise<number> => {
    for (;;) {
      const events = await rig.happened(kind);
      if (events.length >= times) return Date.parse(events.at(-1)!.occurred_at);
      await sleep(10);
    }
  };

  /** Answers for how long the platform was away. */
  const killAt = async (moment: string): Promise<number> => {
    const killedAt = performance.now();
    await rig.platform.stop('SIGKILL');
    const lost = rig.gates.enroll.cut() + rig.gates.agents.cut();
    process.stderr.write(`  kill -9 during ${moment}: ${lost} bytes of answers never arrived\n`);
    await rig.platform.start();
    return performance.now() - killedAt;
  };

  /** What was recorded less than this ago cannot have been answered yet: every answer is held back that long. */
  const killBeforeTheAnswer = async (moment: string, recordedAt: number): Promise<void> => {
    expect(Date.now() - recordedAt).toBeLessThan(HELD_BACK_MS);
    await killAt(moment);
  };

  /** An enrolment is recorded, its answer is on the way, and the platform dies before the agent has it. */
  const duringEnrolment = async (): Promise<void> => {
    rig.gates.enroll.set({ kind: 'delay', ms: HELD_BACK_MS });
    await killBeforeTheAnswer('enrolment', await seen('system.instance.enrolled'));
  };

  /** The first server has reported its cluster; it hears nothing of it. */
  const duringBootstrap = async (): Promise<void> => {
    await seen('system.k3s.runtime.installing', 3);
    rig.gates.agents.set({ kind: 'delay', ms: HELD_BACK_MS });
    await killBeforeTheAnswer('bootstrap', await seen('system.k3s.handshake.bootstrap'));
  };

  /** The holder is to be drained, which moves the VIP. */
  const duringMove = async (): Promise<number> => {
    await new Promise<void>((resolve) => {
      rig.operator.onChange = (tool) => (tool === 'system_drain_instance' ? resolve() : undefined);
    });
    await seen('system.instance.drain_requested');
    return killAt('the drain');
  };

  it('goes on after kill -9 in enrolment, bootstrap and drain', async () => {
    const kills = (async () => {
      await duringEnrolment();
      await duringBootstrap();
      return duringMove();
    })();
    const [result, awayMs] = await Promise.all([rig.play(), kills]);
    process.stderr.write(`  ${JSON.stringify(slowest(rig.say.timings))}\n`);
    process.stderr.write(
      `  the VIP was away for ${result.drainGapMs.toFixed(0)} ms, the platform for ${awayMs.toFixed(0)} ms\n`,
    );
    // Between the old holder's release and the new one's take-over only the platform knows who is next; a target whose agent
    // is not back yet costs a second and the next epoch.
    expect(result.drainGapMs).toBeLessThan(awayMs + 5_000);
    ({ vip } = result);
  }, 400_000);

  it.each([
    ['killed', 'SIGKILL'],
    ['stopped', 'SIGSTOP'],
  ] as const)(
    'and the VIP keeps answering while it is %s; it comes back and moves nothing',
    async (_, how) => {
      const { ping, https, problems } = await platformAway(rig, how, AWAY_SECONDS, vip);
      process.stderr.write(
        `  ${how} for ${AWAY_SECONDS} s: ${ping.sent} packets, ${ping.lost} lost, longest gap ${ping.longestGapMs.toFixed(0)} ms; ${https.answered} HTTPS answers, longest gap ${https.longestGapMs} ms\n`,
      );
      // That not one packet is lost is the soak's to show: on a machine at its limit a holder's lease may run out for a moment.
      expect(problems).toEqual([]);
      expect(Math.max(ping.longestGapMs, https.longestGapMs)).toBeLessThan(5_000);
    },
    240_000,
  );

  it('has lost, doubled and reordered nothing in the end', async () => {
    const { log, problems } = await rig.finish();
    expect(problems).toEqual([]);
    expect(log.events.length).toBeGreaterThan(150);
  }, 240_000);
});
