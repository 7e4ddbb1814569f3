import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { seededRandom, sleep, systemTimers } from '#kernel';
import { collect, freshStream, newEvent, newEvents, readWholeLog, request } from '../contract/harness.js';
import { EventStoreUnavailableError, InvalidAppendError, START, type AppendRequest } from '../port.js';
import { PostgresEventStore } from '../adapters/postgres/postgres-event-store.js';
import { verifyChain } from '../adapters/postgres/verify-chain.js';
import { migrate } from '../migrations.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './launcher.js';

const WRITERS = 24;
const KILLS = 4;
let dataDir: string;
let server: EmbeddedPostgres;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'drover-crash-'));
  server = await startEmbeddedPostgres({ dataDir, dieWithParent: true });
  await migrate(server.connection);
});
afterEach(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

/** One transaction in about twenty is rolled back: the batch holds an event that the database refuses. */
const refusePoison = async (): Promise<void> => {
  const client = new pg.Client(server.connection);
  await client.connect();
  await client.query(`CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.type = 'thing.poison' THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER poison BEFORE INSERT ON es.events FOR EACH ROW EXECUTE FUNCTION refuse_poison()`);
  await client.end();
};

/** Retries the same request for as long as the store says that it is unavailable, as a caller would. */
const appendSurely = async (store: PostgresEventStore, append: AppendRequest) => {
  for (;;) {
    try {
      return await store.append(append);
    } catch (error) {
      if (!(error instanceof EventStoreUnavailableError)) throw error;
      await sleep(systemTimers, 50);
    }
  }
};

it('kill -9 of Postgres under racing appends and rollbacks: every acknowledged event is there once, dense and chained', async () => {
  const random = seededRandom(Number(process.env.DROVER_TEST_SEED ?? 1));
  await refusePoison();
  const store = new PostgresEventStore({ connection: server.connection, patienceMs: 1_000 });
  const stop = new AbortController();
  const acknowledged: string[] = [];
  const refused: string[] = [];
  const writers = Array.from({ length: WRITERS }, async () => {
    const stream = freshStream();
    for (let version = 0; !stop.signal.aborted;) {
      if (random.unit() < 0.02) {
        const poison = newEvent('thing.poison');
        refused.push(poison.id);
        await expect(appendSurely(store, request(freshStream(), 'any', [poison]))).rejects.toBeInstanceOf(
          InvalidAppendError,
        );
      }
      const append = request(stream, version, newEvents(1 + Math.floor(random.unit() * 3)));
      const outcome = await appendSurely(store, append);
      if (outcome.kind === 'conflict') throw new Error(`conflict on a stream of its own: ${JSON.stringify(outcome)}`);
      version = outcome.version;
      acknowledged.push(...append.events.map((e) => e.id));
    }
  });
  const followed: string[] = [];
  const following = new AbortController();
  const follower = (async () => {
    for await (const batch of store.subscribe(START, { signal: following.signal }))
      followed.push(...batch.events.map((e) => e.id));
  })();

  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(systemTimers, 300 + random.unit() * 400);
    const pid = await server.pid();
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  }
  const before = acknowledged.length;
  while (acknowledged.length < before + 200 || refused.length === 0) await sleep(systemTimers, 20);
  stop.abort();
  await Promise.all(writers);

  const log = await readWholeLog(store, START);
  expect(log.map((e) => e.position)).toEqual(log.map((_, index) => BigInt(index + 1)));
  expect(log.map((e) => e.id).sort()).toEqual([...acknowledged].sort());
  expect(log.some((e) => refused.includes(e.id))).toBe(false);
  while (followed.length < log.length) await sleep(systemTimers, 20);
  following.abort();
  await follower;
  expect(followed).toEqual(log.map((e) => e.id));
  const pool = new pg.Pool(server.connection);
  expect((await collect(verifyChain(pool))).at(-1)).toMatchObject({ kind: 'intact', through: BigInt(log.length) });
  await pool.end();
  await store.close();
  console.log(
    `${KILLS} kills: ${log.length} events acknowledged, ${refused.length} refused, none lost, doubled or out of order`,
  );
});
