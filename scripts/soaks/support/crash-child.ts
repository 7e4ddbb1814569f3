// One life of a platform-like process for the soak crash-rounds: racing writers, rollbacks, projections, process managers
// and timers on one database, until it is killed. What it was promised goes to stdout, a line each, before anything follows.
import { writeSync } from 'node:fs';
import pg from 'pg';
import { deterministicUuid, errorMessage, seededRandom, silentLog, systemClock, type Log } from '#kernel';
import { EventStoreUnavailableError, InvalidAppendError, PostgresEventStore, START, type NewEvent } from '#event-store';
import { openDoor } from '../../../libs/processing/src/testing/doors.js';
import { sleep } from '../../../apps/lab/src/processes.js';
import { crashHost } from './crash-host.js';
import { problemsOfDoors } from './crash-doors.js';
import { soakEvent } from './soak-event.js';

export interface CrashOrders {
  readonly connection: pg.ClientConfig;
  readonly round: number;
  readonly seed: number;
  /** Let everything that is under way end, and stop. */
  readonly finish: boolean;
}

const WRITERS = 6;
const RACERS = 4;
const PATIENCE_MS = 15;

const tell = (line: string): void => void writeSync(1, `${line}\n`);
const idOf = (stream: string, version: number): string => deterministicUuid('crash', stream, version);
const eventWith = (id: string): NewEvent => ({ ...soakEvent(), id });

const orders = JSON.parse(process.argv[2]!) as CrashOrders;
const random = seededRandom(orders.seed);
const store = new PostgresEventStore({ connection: orders.connection, patienceMs: 2_000 });

/** As callers do: the same request again for as long as the store is away. */
const surely = async <T>(work: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await work();
    } catch (cause) {
      if (!(cause instanceof EventStoreUnavailableError)) throw cause;
      await sleep(20);
    }
  }
};

const versionOf = async (stream: string): Promise<number> => {
  let version = 0;
  for await (const event of store.readStream(stream)) version = event.version;
  return version;
};

/** Alone on its stream. What an earlier life may have left unanswered is appended again first: it must be a duplicate. */
const write = async (stream: string): Promise<never> => {
  let version = await surely(() => versionOf(stream));
  if (version > 0) {
    const again = { stream, expected: version - 1, events: [eventWith(idOf(stream, version))] };
    const { kind } = await surely(() => store.append(again));
    if (kind !== 'duplicate') throw new Error(`${stream}: version ${version} again was answered ${kind}`);
    tell(`event ${idOf(stream, version)}`);
  }
  for (;;) {
    const count = 1 + Math.floor(random.unit() * 3);
    const ids = Array.from({ length: count }, (_, n) => idOf(stream, version + n + 1));
    const outcome = await surely(() => store.append({ stream, expected: version, events: ids.map(eventWith) }));
    if (outcome.kind === 'conflict' || outcome.version !== version + count)
      throw new Error(`${stream}: ${JSON.stringify({ ...outcome, position: 0 })} at version ${version}`);
    version += count;
    for (const id of ids) tell(`event ${id}`);
  }
};

/** Several on one stream: who loses a race looks and tries again, with the same event. */
const race = async (stream: string): Promise<never> => {
  for (;;) {
    const event = soakEvent();
    for (let expected = await surely(() => versionOf(stream)); ;) {
      const outcome = await surely(() => store.append({ stream, expected, events: [event] }));
      if (outcome.kind !== 'conflict') break;
      expected = outcome.actual;
    }
    tell(`event ${event.id}`);
  }
};

/** Rolls back the batch it comes in; the others of that batch must not suffer. */
const poison = async (): Promise<never> => {
  for (;;) {
    const event = { ...soakEvent(), type: 'soak.poison' };
    const refused = await surely(() => store.append({ stream: 'poisoned-1', expected: 'any', events: [event] })).then(
      () => false,
      (cause: unknown) => cause instanceof InvalidAppendError,
    );
    if (!refused) throw new Error('an event that the database refuses was not refused');
    await sleep(random.unit() * 20);
  }
};

const follow = async (signal: AbortSignal): Promise<void> => {
  let last = 0n;
  for await (const { events } of store.subscribe(START, { signal }))
    for (const { position } of events) {
      if (position !== last + 1n) throw new Error(`the subscriber saw ${position} after ${last}`);
      last = position;
    }
};

/** Shown when this life ends by itself; a life that is killed takes them with it. */
const complaints: Log = {
  ...silentLog,
  warn: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  error: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  child: () => complaints,
};

const main = async (): Promise<void> => {
  const pool = new pg.Pool({ ...orders.connection, max: 6 });
  pool.on('error', () => undefined);
  const { host, transactor } = crashHost(store, pool, PATIENCE_MS, complaints);
  await surely(() => host.start());
  tell('ready');
  if (orders.finish) {
    for (let problems = ['nothing looked at'], tries = 0; problems.length > 0; tries++) {
      if (tries === 600) throw new Error(`not finished:\n${problems.slice(0, 5).join('\n')}`);
      await sleep(100);
      problems = await problemsOfDoors(store, pool);
    }
    await host.stop();
    await store.close();
    await pool.end();
    return;
  }
  const doors = async (): Promise<never> => {
    for (let n = 0; ; n++) {
      const door = `${orders.round}x${n}`;
      await surely(() => openDoor(transactor, door, systemClock.wallMs()));
      tell(`door ${door}`);
      await sleep(random.unit() * 30);
    }
  };
  const streams = Array.from({ length: WRITERS }, (_, n) => write(`writer-${n}`));
  const racers = Array.from({ length: RACERS }, () => race('race-1'));
  await Promise.all([...streams, ...racers, poison(), doors(), follow(new AbortController().signal)]);
};

main().then(
  () => process.exit(0),
  (cause: unknown) => {
    process.stderr.write(`crash-child: ${cause instanceof Error ? cause.stack : errorMessage(cause)}\n`);
    process.exit(1);
  },
);
