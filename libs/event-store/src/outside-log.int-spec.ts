import pg from 'pg';
import { ConfigError, systemIds } from '#kernel';
import { newEvents, request } from './contract/harness.js';
import { bindOutsideLog, refuseOutsideLog } from './outside-log.js';
import { position } from './port.js';
import { testDatabase, testEventStore } from './testing/test-postgres.js';

const ended: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});
const poolOn = (connection: pg.ClientConfig) => {
  const pool = new pg.Pool({ ...connection, max: 2 });
  ended.unshift(() => pool.end());
  return pool;
};
const fresh = async () => {
  const database = await testDatabase();
  ended.push(() => database.drop());
  return poolOn(database.connection);
};
const log = (identity = systemIds.uuid(), head = 10n) => ({
  identity,
  head: async () => position(head),
  where: 'db:2113',
});

it('a database stays with the log that it was first started on', async () => {
  const pool = await fresh();
  const mine = log();
  await refuseOutsideLog(pool);
  await bindOutsideLog(pool, mine);
  await bindOutsideLog(pool, mine);
  await expect(bindOutsideLog(pool, log())).rejects.toThrow(/db:2113 is not the one that this database belongs to/);
  await expect(refuseOutsideLog(pool)).rejects.toThrow(/are in KurrentDB .*DROVER_EVENT_STORE=kurrentdb/);
  await expect(pool.query('DELETE FROM es.outside_log')).rejects.toThrow(/append-only/);
});

it('two processes that start at once agree on the log', async () => {
  const pool = await fresh();
  const settled = await Promise.allSettled([bindOutsideLog(pool, log()), bindOutsideLog(pool, log())]);
  expect(settled.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
});

it('a log that ends before what the database has seen is refused', async () => {
  const pool = await fresh();
  const mine = log(systemIds.uuid(), 100n);
  await bindOutsideLog(pool, mine);
  await pool.query(`INSERT INTO processing.checkpoints (name, position, epoch) VALUES ('pm', 100, 1)`);
  await bindOutsideLog(pool, mine);
  const shorter = bindOutsideLog(pool, { ...mine, head: async () => position(99) });
  await expect(shorter).rejects.toThrow(/ends at 99, but this database has seen it up to 100/);
  await expect(shorter).rejects.toThrow(ConfigError);
});

it('a log that grows while it is compared is not taken for a shorter one', async () => {
  const pool = await fresh();
  const mine = log(systemIds.uuid(), 100n);
  await bindOutsideLog(pool, mine);
  let end = 100n;
  const busy = {
    query: async (text: string, values?: unknown[]) => {
      // Another platform appends and folds before each of our looks at the database.
      await pool.query(
        `INSERT INTO processing.checkpoints (name, position, epoch) VALUES ('pm', $1, 1)
         ON CONFLICT (name) DO UPDATE SET position = excluded.position`,
        [String(++end)],
      );
      return pool.query(text, values);
    },
  } as unknown as Parameters<typeof bindOutsideLog>[0];
  await bindOutsideLog(busy, { ...mine, head: async () => position(end) });
});

it('a database with events of its own is not left behind', async () => {
  const { store, database } = await testEventStore();
  ended.push(() => database.drop());
  await store.append(request('node-1', 'no_stream', newEvents(3)));
  await store.close();
  await expect(bindOutsideLog(poolOn(database.connection), log())).rejects.toThrow(/holds 3 events of its own/);
});
