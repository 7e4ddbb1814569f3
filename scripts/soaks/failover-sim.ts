// Failover under random schedules: the agents' and the platform's own code on virtual time, over a network that misbehaves.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { availableParallelism } from 'node:os';
import fc from 'fast-check';
import { play } from '../../test/simulation/run-schedule.js';
import { schedules, type Schedule } from '../../test/simulation/schedules.js';
import { makeTemplate } from '../../test/simulation/template.js';
import type { SoakValues } from '../soak.js';
import { say, wholeNumber } from './support/numbers.js';

export const about = `Beats, losses, doubles, reorders, pauses of up to 4 s, restarts, clock steps, cut links, moves, drains and a
  platform that dies, at random (the seed gives them): never two holders in one epoch, never a holder outside its lease, never
  a moment without exactly one way to the VIP, and in the end everything settles.`;
export const options = {
  schedules: { type: 'string', default: '10000' },
  seed: { type: 'string', default: '1' },
} as const;

interface Share {
  readonly failoverSim: true;
  readonly from: number;
  readonly to: number;
  readonly seed: number;
}

type Told =
  | { readonly kind: 'done'; readonly count: number; readonly epochs: number; readonly virtualMs: number }
  | { readonly kind: 'broken'; readonly violations: readonly string[]; readonly schedule: Schedule };

/** Schedules are numbered by the seed, so that any one can be run again alone. */
const scheduleOf = (seed: number, n: number): Schedule =>
  fc.sample(schedules, { numRuns: 1, seed: seed * 1_000_003 + n })[0]!;

const work = async ({ from, to, seed }: Share, tell: (told: Told) => void): Promise<void> => {
  const templates = new Map<number, Awaited<ReturnType<typeof makeTemplate>>>();
  for (const candidates of [2, 3, 5]) templates.set(candidates, await makeTemplate(candidates));
  for (let n = from; n < to; n++) {
    const schedule = scheduleOf(seed, n);
    const { violations, epochs, virtualMs } = await play(schedule, templates.get(schedule.candidates)!);
    if (violations.length > 0) tell({ kind: 'broken', violations, schedule });
    tell({ kind: 'done', count: 1, epochs, virtualMs });
  }
};

export const run = async (values: SoakValues) => {
  const [count, seed] = [wholeNumber(values, 'schedules'), wholeNumber(values, 'seed', 0)];
  const total = { schedules: 0, epochs: 0, virtualMs: 0 };
  const broken: string[] = [];
  const started = performance.now();
  const shares = Math.min(count, availableParallelism());
  const one = (share: number) =>
    new Promise<void>((resolve, reject) => {
      const workerData: Share = {
        failoverSim: true,
        from: Math.floor((count * share) / shares),
        to: Math.floor((count * (share + 1)) / shares),
        seed,
      };
      const worker = new Worker(new URL(import.meta.url), { workerData });
      worker.on('message', (told: Told) => {
        if (told.kind === 'broken') {
          broken.push(`${told.violations[0]} in ${JSON.stringify(told.schedule)}`);
          say(`  ${broken.at(-1)}`);
          return;
        }
        total.schedules += told.count;
        total.epochs += told.epochs;
        total.virtualMs += told.virtualMs;
        if (total.schedules % 500 === 0)
          say(`  ${total.schedules} of ${count} schedules, ${((performance.now() - started) / 1000).toFixed(0)} s`);
      });
      worker.once('error', reject);
      worker.once('exit', () => resolve());
    });
  await Promise.all(Array.from({ length: shares }, (_, share) => one(share)));
  if (total.schedules !== count) throw new Error(`only ${total.schedules} of ${count} schedules were run`);
  if (broken.length > 0)
    throw new Error(`${broken.length} of ${count} schedules:\n  ${broken.slice(0, 5).join('\n  ')}`);
  return {
    schedules: count,
    violations: 0,
    epochs: total.epochs,
    virtual_seconds: Math.round(total.virtualMs / 1000),
    seconds: Math.round((performance.now() - started) / 1000),
  };
};

const share = workerData as Share | null;
if (!isMainThread && share?.failoverSim === true) await work(share, (told) => parentPort!.postMessage(told));
