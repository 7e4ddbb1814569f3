// kill -9 of the platform at any moment of tutorial 04: it continues, and nothing is lost, doubled or out of order.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '#kernel';
import type { SoakValues } from '../soak.js';
import { Killer, type Moments } from './support/killer.js';
import { say, wholeNumber } from './support/numbers.js';
import { TutorialRig } from './support/tutorial-rig.js';

export const about = `Plays tutorial 04 again and again while the platform is killed at random moments (the seed gives them);
  the operator repeats its calls under the same idempotency keys. Then the cluster and the whole log are checked.`;
export const options = {
  rounds: { type: 'string', default: '10' },
  kills: { type: 'string', default: '20' },
  seed: { type: 'string', default: '1' },
  keep: { type: 'string', default: '' },
} as const;

const ROOT = join(import.meta.dirname, '../../..');

const PER_STEP = 2;

/** A step of the story is hit at most twice, so that the kills reach all of it. */
const moments = (seed: number, steps: () => number): Moments => {
  const random = seededRandom(seed);
  const hits = new Map<number, number>();
  return {
    mayKill: () => {
      const hit = hits.get(steps()) ?? 0;
      if (hit >= PER_STEP) return false;
      hits.set(steps(), hit + 1);
      return true;
    },
    life: () => random.unit() ** 2 * 2_500,
    away: () => (random.unit() < 0.2 ? 1_000 + random.unit() * 4_000 : random.unit() * 200),
    stillborn: () => (random.unit() < 0.2 ? random.unit() * 1_500 : undefined),
  };
};

const round = async (seed: number, kills: number, keep: string) => {
  const rig = await TutorialRig.create(ROOT);
  const started = performance.now();
  try {
    const seconds = (): string => ((performance.now() - started) / 1_000).toFixed(1);
    const killer = new Killer(
      rig.platform,
      moments(seed, () => rig.say.timings.length),
      kills,
      (n) => say(`    kill ${n} at ${seconds()} s, after: ${rig.say.timings.at(-1)?.step.slice(0, 70) ?? 'the start'}`),
    );
    let result;
    try {
      result = await rig.play();
    } finally {
      await killer.stop();
    }
    const { log, problems } = await rig.finish();
    if (problems.length > 0) throw new Error(`seed ${seed}:\n  ${problems.join('\n  ')}`);
    return { kills: killer.kills, repeats: rig.operator.repeats, events: log.events.length, gap: result.drainGapMs };
  } catch (cause) {
    if (keep !== '') keepEvidence(rig, join(keep, `seed-${seed}`));
    throw cause;
  } finally {
    await rig.close();
  }
};

const keepEvidence = (rig: TutorialRig, dir: string): void => {
  mkdirSync(dir, { recursive: true });
  copyFileSync(join(rig.dataDir, 'platform.log'), join(dir, 'platform.log'));
  for (const [name, agent] of rig.lab.agents) copyFileSync(agent.logFile, join(dir, `${name}.log`));
  writeFileSync(join(dir, 'steps.json'), JSON.stringify(rig.say.timings, null, 2));
};

export const run = async (values: SoakValues) => {
  const [rounds, kills, seed] = ['rounds', 'kills', 'seed'].map((name) => wholeNumber(values, name, 0)) as [
    number,
    number,
    number,
  ];
  const total = { kills: 0, repeats: 0, events: 0, gap: 0 };
  for (let n = 0; n < rounds; n++) {
    say(`  round ${n + 1} of ${rounds}, seed ${seed + n}`);
    const one = await round(seed + n, kills, String(values['keep']));
    total.kills += one.kills;
    total.repeats += one.repeats;
    total.events += one.events;
    total.gap = Math.max(total.gap, one.gap);
    say(
      `  round ${n + 1} held: ${one.kills} kills, ${one.repeats} calls repeated, ${one.events} events, gap ${one.gap.toFixed(0)} ms`,
    );
  }
  return {
    rounds,
    kills: total.kills,
    repeated_calls: total.repeats,
    events: total.events,
    longest_drain_gap_ms: Math.round(total.gap),
    lost: 0,
    doubled: 0,
    out_of_order: 0,
  };
};
