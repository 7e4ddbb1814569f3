// kill -9 at random moments of append, projection, process manager and timer work, with racing writers and rollbacks.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { seededRandom, systemTimers } from '#kernel';
import { migrate, PostgresEventStore, startEmbeddedPostgres, type EmbeddedPostgres } from '#event-store';
import { sleep } from '../../apps/lab/src/processes.js';
import type { SoakValues } from '../soak.js';
import { undoLater } from './support/cleanup.js';
import type { CrashOrders } from './support/crash-child.js';
import { problemsOfDoors } from './support/crash-doors.js';
import { problemsOfLog, readLogOf } from './support/event-log.js';
import { say, wholeNumber } from './support/numbers.js';

export const about = `Each round a process with racing writers, events that the database refuses, a projection, a process manager and
  timers is killed at a moment that the seed gives; in every fifth round the postmaster is killed too. The last life ends
  what is under way; then everything that was acknowledged must be in the log, once and in order.`;
export const options = {
  rounds: { type: 'string', default: '300' },
  seed: { type: 'string', default: '1' },
} as const;

const POSTGRES_EVERY = 5;
/** Long enough for a machine that many others use, too: only one that hangs is meant. */
const READY_MS = 180_000;

/** What all the lives together were promised, in the order of the promises of each life. */
class Promised {
  readonly events = new Set<string>();
  readonly doors = new Set<string>();
  ready: () => void = () => undefined;

  take(line: string): void {
    const [kind, what] = line.split(' ') as [string, string?];
    if (kind === 'ready') this.ready();
    if (kind === 'event') this.events.add(what!);
    if (kind === 'door') this.doors.add(what!);
  }
}

/** Resolves when the child has ended and all it said has been read. */
const life = (root: string, orders: CrashOrders, promised: Promised) => {
  const script = join(root, 'dist/scripts/soaks/support/crash-child.js');
  const child = spawn(process.execPath, [script, JSON.stringify(orders)], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = undoLater(async () => void child.kill('SIGKILL'));
  child.once('close', () => void end());
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-4_000)));
  const ready = new Promise<void>((resolve) => (promised.ready = resolve));
  createInterface({ input: child.stdout }).on('line', (line) => promised.take(line));
  const ended = new Promise<void>((resolve, reject) => {
    child.once('close', (code, signal) =>
      signal === 'SIGKILL' || code === 0
        ? resolve()
        : reject(new Error(`round ${orders.round} ended by itself (${signal ?? code}):\n${complaint}`)),
    );
  });
  return { ended, ready, kill: () => void child.kill('SIGKILL'), end: () => void child.kill('SIGTERM') };
};

/** A life that does not get ready is told to say why, and counts as a fault. */
const inTime = async (one: ReturnType<typeof life>): Promise<void> => {
  let late = false;
  const cancel = systemTimers.after(READY_MS, () => {
    late = true;
    one.end();
  });
  await Promise.race([one.ready, one.ended]);
  cancel();
  if (late) await one.ended;
};

/** Until this life has promised something of each kind: without work under way a kill shows nothing. */
const underWay = async (one: ReturnType<typeof life>, promised: Promised): Promise<void> => {
  const [events, doors] = [promised.events.size + 10, promised.doors.size];
  let ended = false;
  void one.ended.finally(() => (ended = true)).catch(() => undefined);
  for (let waited = 0; !ended && waited < READY_MS; waited += 10) {
    if (promised.events.size >= events && promised.doors.size > doors) return;
    await sleep(10);
  }
};

const refusePoison = async (connection: pg.ClientConfig): Promise<void> => {
  const client = new pg.Client(connection);
  await client.connect();
  await client.query(`CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.type = 'soak.poison' THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER poison BEFORE INSERT ON es.events FOR EACH ROW EXECUTE FUNCTION refuse_poison()`);
  await client.end();
};

const killPostgres = async (server: EmbeddedPostgres): Promise<void> => {
  const pid = await server.pid();
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
};

const judge = async (dataDir: string, server: EmbeddedPostgres, promised: Promised): Promise<string[]> => {
  const store = new PostgresEventStore({ connection: server.connection });
  const pool = new pg.Pool(server.connection);
  // `end` resolves before the sockets are closed; a server that stops cuts them off, and the pool would throw that.
  pool.on('error', () => undefined);
  const ofDoors = await problemsOfDoors(store, pool);
  await store.close();
  await pool.end();
  await server.stop();
  const log = await readLogOf(dataDir);
  const ids = new Set(log.events.map((e) => e.id));
  const opened = new Set(log.events.filter((e) => e.type === 'system.door.opened').map((e) => String(e.data['door'])));
  const lost = [...promised.events].filter((id) => !ids.has(id)).length;
  const lostDoors = [...promised.doors].filter((door) => !opened.has(door)).length;
  return [
    ...problemsOfLog(log),
    ...ofDoors,
    ...(lost === 0 ? [] : [`${lost} acknowledged events are not in the log`]),
    ...(lostDoors === 0 ? [] : [`${lostDoors} doors were opened for their callers and not in the log`]),
    ...(log.events.some((e) => e.type === 'soak.poison') ? ['an event that was refused is in the log'] : []),
  ];
};

/** `root`: the compiled repository. */
export const crashRounds = async (root: string, rounds: number, seed: number) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'drover-rounds-'));
  const remove = undoLater(async () => rmSync(dataDir, { recursive: true, force: true }));
  const server = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres'), dieWithParent: true });
  const stop = undoLater(() => server.stop());
  try {
    await migrate(server.connection);
    await refusePoison(server.connection);
    const random = seededRandom(seed);
    const promised = new Promised();
    const begin = (round: number, finish: boolean) =>
      life(root, { connection: server.connection, round, seed: seed * 100_000 + round, finish }, promised);
    let early = 0;
    for (let round = 1; round <= rounds; round++) {
      const one = begin(round, false);
      // One in five dies while it starts, takes over and recovers.
      if (random.unit() < 0.2) {
        early++;
        await sleep(random.unit() * 800);
      } else {
        await inTime(one);
        await underWay(one, promised);
        await sleep(random.unit() * 500);
      }
      if (round % POSTGRES_EVERY === 0) await killPostgres(server);
      one.kill();
      await one.ended;
      if (round % 25 === 0) say(`  ${round} rounds, ${promised.events.size} events, ${promised.doors.size} doors`);
    }
    await begin(rounds + 1, true).ended;
    const problems = await judge(dataDir, server, promised);
    await stop();
    if (problems.length > 0) throw new Error(problems.slice(0, 50).join('\n  '));
    const { size } = promised.events;
    return {
      rounds,
      killed_while_starting: early,
      acknowledged: size,
      doors: promised.doors.size,
      lost: 0,
      doubled: 0,
      reordered: 0,
    };
  } finally {
    await stop();
    await remove();
  }
};

export const run = (values: SoakValues) =>
  crashRounds(join(import.meta.dirname, '../../..'), wholeNumber(values, 'rounds'), wholeNumber(values, 'seed'));
