import { once } from 'node:events';
import { createServer, connect, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ManualClock, isoTime, systemClock, systemTimers, type Clock } from '#kernel';
import { collect, freshStream, newEvent, newEvents, readWholeLog, request } from '../../contract/harness.js';
import { EventStoreUnavailableError, InvalidAppendError, START } from '../../port.js';
import { testDatabase, type TestDatabase } from '../../testing/test-postgres.js';
import { PostgresEventStore } from './postgres-event-store.js';
import { verifyChain } from './verify-chain.js';

let database: TestDatabase;
let store: PostgresEventStore;
const sql = async (text: string) => {
  const client = new pg.Client(database.connection);
  await client.connect();
  const result = await client.query(text);
  await client.end();
  return result;
};

beforeEach(async () => {
  database = await testDatabase();
  store = new PostgresEventStore({ connection: database.connection, patienceMs: 60_000 });
});
afterEach(async () => {
  await store.close();
  await database.drop();
});

const expectSoundLog = async (): Promise<void> => {
  const pool = new pg.Pool(database.connection);
  const all = await readWholeLog(store, START);
  expect(all.map((e) => e.position)).toEqual(all.map((_, index) => BigInt(index + 1)));
  expect((await collect(verifyChain(pool))).at(-1)).toMatchObject({ kind: 'intact', through: BigInt(all.length) });
  await pool.end();
};

/** Makes the database refuse every event of this type, which rolls back the batch that it came in. */
const refusePoison = () =>
  sql(`CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.type = 'thing.poison' THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER poison BEFORE INSERT ON es.events FOR EACH ROW EXECUTE FUNCTION refuse_poison()`);

it('an append that the database refuses fails alone; the others of its batch are written', async () => {
  await refusePoison();
  const appends = Array.from({ length: 100 }, (_, n) =>
    store.append(request(freshStream(), 'no_stream', [newEvent(n % 33 === 7 ? 'thing.poison' : 'thing.good')])),
  );
  const settled = await Promise.allSettled(appends);
  const refused = settled.filter((s) => s.status === 'rejected');
  expect(refused).toHaveLength(3);
  expect(refused.every((s) => s.reason instanceof InvalidAppendError && /poison/.test(s.reason.message))).toBe(true);
  expect(await readWholeLog(store, START)).toHaveLength(97);
  await expectSoundLog();
});

it('many concurrent appends share few transactions', async () => {
  await Promise.all(Array.from({ length: 512 }, () => store.append(request(freshStream(), 'no_stream', newEvents(1)))));
  const { rows } = await sql('SELECT count(DISTINCT xmin::text) AS transactions FROM es.events');
  expect(Number(rows[0].transactions)).toBeLessThanOrEqual(6);
});

it('a cut connection under load loses nothing and writes nothing twice', async () => {
  const writers = Array.from({ length: 16 }, async () => {
    const stream = freshStream();
    for (let n = 0; n < 40; n++) {
      const outcome = await store.append(request(stream, n, newEvents(1)));
      expect(outcome).toMatchObject({ version: n + 1 });
      expect(outcome.kind).not.toBe('conflict');
    }
  });
  for (let n = 0; n < 5; n++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    await sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'drover-%' AND datname = current_database()",
    );
  }
  await Promise.all(writers);
  expect(await readWholeLog(store, START)).toHaveLength(640);
  await expectSoundLog();
});

it('a commit whose answer was lost is recognised: the retry answers duplicate and the event is there once', async () => {
  const { host, port, user, database: name, password } = new pg.Client(database.connection);
  const proxy = await cuttingProxy(host.startsWith('/') ? { path: join(host, `.s.PGSQL.${port}`) } : { host, port });
  const through = new PostgresEventStore({
    connection: { host: proxy.dir, port: 5432, database: name, ...(user && { user }), ...(password && { password }) },
  });
  await through.append(request(freshStream(), 'no_stream', newEvents(1)));
  proxy.cutNextAnswer();
  const append = request(freshStream(), 'no_stream', newEvents(2));
  expect(await through.append(append)).toMatchObject({ kind: 'duplicate', version: 2 });
  expect(await collect(store.readStream(append.stream))).toHaveLength(2);
  await through.close();
  await proxy.close();
  await expectSoundLog();
});

it('when the server stays away appends and reads are refused as unavailable, once patience is over', async () => {
  const nowhere = new PostgresEventStore({ connection: { host: '/nonexistent', user: 'x' }, patienceMs: 200 });
  const tries = [1, 2, 3].map(() => nowhere.append(request(freshStream(), 'any', newEvents(1))));
  for (const settled of await Promise.allSettled(tries)) {
    expect(settled).toMatchObject({ status: 'rejected', reason: expect.any(EventStoreUnavailableError) });
  }
  await expect(nowhere.head()).rejects.toBeInstanceOf(EventStoreUnavailableError);
  await nowhere.close();
});

it('closing commits what waits', async () => {
  const appends = Array.from({ length: 50 }, () => store.append(request(freshStream(), 'no_stream', newEvents(1))));
  await store.close();
  expect((await Promise.all(appends)).every((o) => o.kind === 'appended')).toBe(true);
});

it('the time of recording never goes back, whatever the clock does', async () => {
  const clock = new ManualClock(Date.UTC(2030, 0, 1));
  const stepping: Clock = { wallMs: () => clock.wallMs(), monotonicMs: () => systemClock.monotonicMs() };
  const ahead = new PostgresEventStore({ connection: database.connection, clock: stepping });
  await ahead.append(request(freshStream(), 'any', newEvents(1)));
  await store.append(request(freshStream(), 'any', newEvents(1)));
  const all = await readWholeLog(store, START);
  expect(all.map((e) => e.recordedAt)).toEqual([isoTime(Date.UTC(2030, 0, 1)), isoTime(Date.UTC(2030, 0, 1))]);
  await ahead.close();
  await expectSoundLog();
});

it('a subscription that lost its server goes on where it was', async () => {
  const seen: string[] = [];
  const stop = new AbortController();
  const done = (async () => {
    for await (const batch of store.subscribe(START, { signal: stop.signal, batchSize: 3 })) {
      seen.push(...batch.events.map((e) => e.id));
      if (seen.length >= 40) stop.abort();
    }
  })();
  for (let n = 0; n < 40; n++) {
    await store.append(request(freshStream(), 'any', newEvents(1)));
    if (n % 10 === 5) {
      await sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ('drover-listener', 'drover-reader') AND datname = current_database()",
      );
    }
  }
  await done;
  expect(seen).toEqual((await readWholeLog(store, START)).map((e) => e.id));
});

it('an append wakes a waiting subscription, which does not wait for the poll', async () => {
  const patient = new PostgresEventStore({ connection: database.connection, pollMs: 600_000, timers: systemTimers });
  const iterator = patient.subscribe(START, { signal: new AbortController().signal })[Symbol.asyncIterator]();
  const next = iterator.next();
  await new Promise((resolve) => setTimeout(resolve, 200));
  await store.append(request(freshStream(), 'any', newEvents(1)));
  // The poll would come after the test's own end.
  expect((await next).value.events).toHaveLength(1);
  await patient.close();
});

/** A socket in front of the server that passes everything on until told to swallow one answer and hang up. */
const cuttingProxy = async (behind: NetConnectOpts) => {
  const dir = await mkdtemp(join(tmpdir(), 'drover-proxy-'));
  let cut = false;
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const upstream = connect(behind);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => [client, upstream].forEach((s) => s.destroy()));
    }
    client.pipe(upstream);
    upstream.on('data', (chunk) => {
      if (!cut) return void client.write(chunk);
      cut = false;
      client.destroy();
    });
  });
  server.listen(join(dir, '.s.PGSQL.5432'));
  await once(server, 'listening');
  return {
    dir,
    cutNextAnswer: () => (cut = true),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
};
