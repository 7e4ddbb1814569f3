// kill -9 of the embedded Postgres under racing writers: what was acknowledged is there once, dense, in order, chained.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '#kernel';
import {
  EventStoreUnavailableError,
  migrate,
  PostgresEventStore,
  START,
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type NewEvent,
} from '#event-store';
import { sleep, until } from '../../apps/lab/src/processes.js';
import type { SoakValues } from '../soak.js';
import { undoLater } from './support/cleanup.js';
import { problemsOfLog, readLogOf } from './support/event-log.js';
import { say, wholeNumber } from './support/numbers.js';
import { soakEvent } from './support/soak-event.js';

export const about = `Writers append without pause and repeat what was not acknowledged, one subscriber follows the log, and the
  postmaster is killed so many times at moments that the seed gives.`;
export const options = {
  rounds: { type: 'string', default: '50' },
  writers: { type: 'string', default: '24' },
  seed: { type: 'string', default: '1' },
} as const;

/** The same request again for as long as the store is away. */
const appendSurely = async (store: PostgresEventStore, stream: string, expected: number, events: NewEvent[]) => {
  for (;;) {
    try {
      const outcome = await store.append({ stream, expected, events });
      if (outcome.kind === 'conflict') throw new Error(`conflict on ${stream}, which is its writer's own`);
      return outcome.version;
    } catch (cause) {
      if (!(cause instanceof EventStoreUnavailableError)) throw cause;
      await sleep(50);
    }
  }
};

class Load {
  readonly acknowledged = new Set<string>();
  readonly followed: string[] = [];
  private readonly stopped = new AbortController();
  private readonly following = new AbortController();
  private readonly writers: Promise<unknown>;
  private readonly follower: Promise<void>;

  constructor(
    private readonly store: PostgresEventStore,
    writers: number,
    unit: () => number,
  ) {
    this.writers = Promise.all(Array.from({ length: writers }, () => this.write(unit)));
    this.follower = this.follow();
    for (const part of [this.writers, this.follower]) part.catch((cause: unknown) => say(`load: ${String(cause)}`));
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await this.writers;
    await until('the subscriber has all', () => this.followed.length >= this.acknowledged.size, 60_000);
    this.following.abort();
    await this.follower;
  }

  private async write(unit: () => number): Promise<void> {
    const stream = `soak-${randomUUID()}`;
    for (let version = 0; !this.stopped.signal.aborted;) {
      const events = Array.from({ length: 1 + Math.floor(unit() * 3) }, soakEvent);
      version = await appendSurely(this.store, stream, version, events);
      for (const { id } of events) this.acknowledged.add(id);
    }
  }

  private async follow(): Promise<void> {
    for await (const batch of this.store.subscribe(START, { signal: this.following.signal }))
      this.followed.push(...batch.events.map((e) => e.id));
  }
}

const killAndWait = async (server: EmbeddedPostgres, load: Load): Promise<number> => {
  const pid = await server.pid();
  if (pid === undefined) return 0;
  process.kill(pid, 'SIGKILL');
  const started = performance.now();
  const before = load.acknowledged.size;
  await until('appends go on', () => load.acknowledged.size > before + 50, 60_000);
  return performance.now() - started;
};

const judge = async (dataDir: string, load: Load): Promise<string[]> => {
  const log = await readLogOf(dataDir);
  const ids = log.events.map((e) => e.id);
  const there = new Set(ids);
  const lost = [...load.acknowledged].filter((id) => !there.has(id)).length;
  return [
    ...problemsOfLog(log),
    ...(lost === 0 ? [] : [`${lost} acknowledged events are not in the log`]),
    ...(there.size === load.acknowledged.size
      ? []
      : [`${there.size} events in the log, ${load.acknowledged.size} acknowledged`]),
    ...(JSON.stringify(ids) === JSON.stringify(load.followed)
      ? []
      : ['the subscriber saw something else than the log']),
  ];
};

export const run = async (values: SoakValues) => {
  const [rounds, writers, seed] = ['rounds', 'writers', 'seed'].map((name) => wholeNumber(values, name)) as [
    number,
    number,
    number,
  ];
  const dataDir = mkdtempSync(join(tmpdir(), 'drover-pgkill-'));
  const remove = undoLater(async () => rmSync(dataDir, { recursive: true, force: true }));
  const server = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres'), dieWithParent: true });
  const stop = undoLater(() => server.stop());
  try {
    await migrate(server.connection);
    const random = seededRandom(seed);
    const store = new PostgresEventStore({ connection: server.connection, patienceMs: 1_000 });
    const load = new Load(store, writers, () => random.unit());
    let longest = 0;
    for (let kill = 1; kill <= rounds; kill++) {
      await sleep(random.unit() * 1_000);
      longest = Math.max(longest, await killAndWait(server, load));
      if (kill % 10 === 0) say(`  ${kill} kills, ${load.acknowledged.size} events`);
    }
    await load.stop();
    await store.close();
    await stop();
    const problems = await judge(dataDir, load);
    if (problems.length > 0) throw new Error(problems.join('\n  '));
    return {
      kills: rounds,
      events: load.acknowledged.size,
      longest_outage_ms: Math.round(longest),
      lost: 0,
      doubled: 0,
      out_of_order: 0,
    };
  } finally {
    await stop();
    await remove();
  }
};
