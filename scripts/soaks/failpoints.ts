// Every failpoint, killed and stalled, on the embedded Postgres and on a server: the story ends as it always does.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAILPOINTS, isFailpoint, nearest, type FailpointName } from '#kernel';
import type { SoakValues } from '../soak.js';
import { undoLater } from './support/cleanup.js';
import { DatabaseServer } from './support/database-server.js';
import { FailpointRig, type Action, type Armed, type Engine, type Played } from './support/failpoint-rig.js';
import { say, wholeNumber } from './support/numbers.js';
import { shortly, StoryLog, type Told } from './support/story-log.js';

export const about = `For each failpoint (or so many together): plays a shortened tutorial with real agents while it ends (kill)
  or stalls (sleep, 1 s) the process that reaches it, on the embedded Postgres and on a server. Then the log, its chain, every
  acknowledged call, the process managers' inboxes and the read models are checked. One that is never reached is a failure.
  Without --together several share a story (each acts once in it, wherever it is reached); when such a story breaks, it is
  played with each half of them, down to the one that breaks it; what holds in halves is told as breaking only together. --resume FILE keeps what
  has been played there, and goes on with the rest the next time.`;
export const options = {
  list: { type: 'boolean' },
  engine: { type: 'string', default: 'both' },
  action: { type: 'string', default: 'both' },
  only: { type: 'string', default: '' },
  together: { type: 'string', default: 'auto' },
  keep: { type: 'string', default: '' },
  resume: { type: 'string', default: '' },
} as const;

const ROOT = join(import.meta.dirname, '../../..');

const choice = <T extends string>(values: SoakValues, name: string, all: readonly T[]): readonly T[] => {
  const given = String(values[name]);
  if (given === 'both') return all;
  const found = all.find((one) => one === given);
  if (found === undefined) throw new Error(`--${name} ${given}: must be ${all.join(', ')} or both`);
  return [found];
};

/** `--only a,b`: names, or their beginnings (`agent.`, `timer`). */
const chosen = (text: string): readonly FailpointName[] => {
  const all = Object.keys(FAILPOINTS).filter(isFailpoint);
  if (text === '') return all;
  return text.split(',').flatMap((part) => {
    const found = all.filter((name) => name === part || name.startsWith(part.endsWith('.') ? part : `${part}.`));
    if (found.length > 0) return found;
    const near = nearest(part, all);
    throw new Error(`--only ${part}: there is no such failpoint${near === undefined ? '' : `; did you mean ${near}?`}`);
  });
};

const list = () => {
  for (const [name, { file, what }] of Object.entries(FAILPOINTS)) say(`${name.padEnd(28)} ${what}  (${file})`);
  return { failpoints: Object.keys(FAILPOINTS).length };
};

/** Neighbours in the list are reached one after another; those far apart disturb each other less. */
const groups = (names: readonly FailpointName[], size: number): readonly (readonly FailpointName[])[] => {
  const count = Math.ceil(names.length / size);
  return Array.from({ length: count }, (_, nth) => names.filter((_name, index) => index % count === nth));
};

const named = (names: readonly FailpointName[]): string =>
  names.length <= 12 ? names.join(' ') : `${names.slice(0, 12).join(' ')} and ${names.length - 12} more`;

/** One story under some failpoints. `keep`: where logs go when it does not hold. */
export const playOne = async (root: string, armed: Armed, keep: string): Promise<Played> => {
  const steps: string[] = [];
  const rig = await FailpointRig.create(root, armed, (what, atMs) => {
    steps.push(`${what} (${Math.round(atMs)} ms)`);
    if (process.env['DROVER_LOG_LEVEL'] === 'debug') say(`    ${steps.at(-1)}`);
  });
  try {
    const played = await rig.play();
    if (played.problems.length > 0) throw new Error(played.problems.join('\n  '));
    return played;
  } catch (cause) {
    if (keep !== '') rig.keepEvidence(keep);
    const where = armed.databaseUrl === undefined ? 'embedded' : 'server';
    throw new Error(
      `${armed.failpoints.join(', ')} (${armed.action}, ${where}), after: ${steps.at(-1) ?? 'the start'}`,
      {
        cause,
      },
    );
  } finally {
    await rig.close();
  }
};

const reasonOf = (error: unknown): string =>
  error instanceof Error
    ? `${error.message}${error.cause === undefined ? '' : `:\n  ${reasonOf(error.cause)}`}`
    : String(error);

/** A killed process starts again each time, and a story has only so much patience; standstills hardly disturb one another. */
const AUTO: Readonly<Record<Action, number>> = { kill: 8, sleep: 23 };

class Matrix {
  readonly failures: string[] = [];
  private readonly total = { stories: 0, reached: 0, deaths: 0, repeats: 0, events: 0 };

  constructor(
    private readonly keep: string,
    private readonly server: DatabaseServer | undefined,
    private readonly log: StoryLog,
  ) {}

  async play(engine: Engine, action: Action, names: readonly FailpointName[], size: number): Promise<void> {
    const left = this.log.left(engine, action, names);
    for (const failpoints of groups(left, size)) await this.narrow(engine, action, failpoints);
  }

  /** What breaks is halved until it is known which of them it takes. */
  private async narrow(engine: Engine, action: Action, failpoints: readonly FailpointName[]): Promise<void> {
    const broke = await this.story(engine, { failpoints, action });
    if (broke === undefined) return;
    const before = this.failures.length;
    const middle = Math.ceil(failpoints.length / 2);
    if (failpoints.length > 1)
      for (const half of [failpoints.slice(0, middle), failpoints.slice(middle)])
        await this.narrow(engine, action, half);
    if (this.failures.length === before)
      this.failures.push(failpoints.length === 1 ? broke : `only together: ${broke}`);
  }

  /** Answers why it did not hold. */
  private async story(engine: Engine, armed: Omit<Armed, 'databaseUrl'>): Promise<string | undefined> {
    const started = performance.now();
    const databaseUrl = engine === 'server' ? await this.server!.freshDatabase() : undefined;
    const label = `${engine} ${armed.action} ${named(armed.failpoints)}`;
    const dir = this.keep === '' ? '' : join(this.keep, label.replaceAll(/[^a-z0-9_.]+/g, '-').slice(0, 80));
    try {
      const one = await playOne(ROOT, { ...armed, ...(databaseUrl === undefined ? {} : { databaseUrl }) }, dir);
      const seconds = (performance.now() - started) / 1_000;
      const told = { engine, action: armed.action, failpoints: armed.failpoints, seconds, ...shortly(one) };
      this.count(told);
      this.log.held(told);
      say(
        `  held  ${label}: ${one.deaths} deaths, ${one.repeats} calls repeated, ${one.events} events, ${seconds.toFixed(1)} s`,
      );
      return undefined;
    } catch (cause) {
      say(`  BROKE ${label}: ${reasonOf(cause)}`);
      return reasonOf(cause);
    }
  }

  count(one: Pick<Told, 'deaths' | 'repeats' | 'events' | 'reached'>): void {
    this.total.stories++;
    for (const key of ['deaths', 'repeats', 'events', 'reached'] as const) this.total[key] += one[key];
  }

  result() {
    if (this.failures.length > 0)
      throw new Error(`${this.failures.length} stories broke:\n  ${this.failures.join('\n  ')}`);
    const { stories, reached, deaths, repeats, events } = this.total;
    return { stories, reached, platform_deaths: deaths, repeated_calls: repeats, events, lost: 0, doubled: 0 };
  }
}

export const run = async (values: SoakValues) => {
  if (values['list'] === true) return list();
  const engines = choice<Engine>(values, 'engine', ['embedded', 'server']);
  const actions = choice<Action>(values, 'action', ['kill', 'sleep']);
  const names = chosen(String(values['only']));
  const size = (action: Action) => (values['together'] === 'auto' ? AUTO[action] : wholeNumber(values, 'together'));
  const log = new StoryLog(String(values['resume']));
  const dir = mkdtempSync(join(tmpdir(), 'drover-server-'));
  const remove = undoLater(async () => rmSync(dir, { recursive: true, force: true }));
  const server = engines.includes('server') ? await DatabaseServer.start(dir) : undefined;
  const matrix = new Matrix(String(values['keep']), server, log);
  for (const story of log.before) matrix.count(story);
  try {
    for (const engine of engines) for (const action of actions) await matrix.play(engine, action, names, size(action));
  } finally {
    await server?.stop();
    await remove();
  }
  return { failpoints: names.length, ...matrix.result() };
};
