import pg from 'pg';
import { collect, freshStream, newEvents, request } from '../../contract/harness.js';
import { position } from '../../port.js';
import { testEventStore, type TestDatabase } from '../../testing/test-postgres.js';
import { verifyChain } from './verify-chain.js';
import type { PostgresEventStore } from './postgres-event-store.js';

let store: PostgresEventStore;
let database: TestDatabase;
let pool: pg.Pool;

beforeEach(async () => {
  ({ store, database } = await testEventStore());
  pool = new pg.Pool(database.connection);
  for (let n = 0; n < 6; n++)
    await store.append(request(freshStream(), 'no_stream', newEvents(2, { secret: 'original' })));
});
afterEach(async () => {
  await pool.end();
  await store.close();
  await database.drop();
});

/** As someone with full rights on the database would: around the triggers. */
const tamper = async (sql: string): Promise<void> => {
  const client = await pool.connect();
  await client.query(`SET session_replication_role = replica; ${sql}; SET session_replication_role = origin`);
  client.release();
};
const lastReport = async (after?: bigint) =>
  (await collect(verifyChain(pool, after === undefined ? undefined : position(after)))).at(-1);

it('an untouched log is intact to its head, from the beginning and from any position', async () => {
  const { rows } = await pool.query<{ chain_hash: Buffer }>('SELECT chain_hash FROM es.log_head');
  const chainHash = rows[0]!.chain_hash.toString('hex');
  expect(await lastReport()).toEqual({ kind: 'intact', through: 12n, chainHash });
  expect(await lastReport(7n)).toEqual({ kind: 'intact', through: 12n, chainHash });
});

it('an empty log is intact', async () => {
  const empty = await testEventStore();
  const other = new pg.Pool(empty.database.connection);
  expect((await collect(verifyChain(other))).at(-1)).toMatchObject({ kind: 'intact', through: 0n });
  await other.end();
  await empty.store.close();
});

const rehash = "content_hash = sha256(convert_to(replace(envelope, 'original', 'forged'), 'UTF8'))";
it.each([
  [
    'a changed payload',
    "UPDATE es.events SET envelope = replace(envelope, 'original', 'forged') WHERE position = 5",
    5n,
    /content hash/,
  ],
  [
    'a payload changed with its hash',
    `UPDATE es.events SET envelope = replace(envelope, 'original', 'forged'), ${rehash} WHERE position = 5`,
    5n,
    /chain hash/,
  ],
  ['a changed type column', "UPDATE es.events SET type = 'thing.forged' WHERE position = 8", 8n, /column type/],
  ['a changed account column', "UPDATE es.events SET account = 'account-2' WHERE position = 2", 2n, /column account/],
  ['a changed time', 'UPDATE es.events SET recorded_ms = recorded_ms + 1000 WHERE position = 12', 12n, /chain hash/],
  ['a time that goes back', 'UPDATE es.events SET recorded_ms = 5 WHERE position = 4', 4n, /time of recording/],
  ['a removed event', 'DELETE FROM es.events WHERE position = 6', 6n, /missing/],
  ['a removed end of the log', 'DELETE FROM es.events WHERE position > 10', 11n, /missing/],
  [
    'two swapped events',
    'UPDATE es.events SET position = CASE position WHEN 3 THEN -4 ELSE -3 END WHERE position IN (3, 4); UPDATE es.events SET position = -position WHERE position < 0',
    3n,
    /chain hash/,
  ],
  [
    'a cut with a head put back',
    'DELETE FROM es.events WHERE position > 10; UPDATE es.log_head SET position = 10',
    10n,
    /head/,
  ],
])('%s is found at its position', async (_, sql, at, reason) => {
  await tamper(sql);
  expect(await lastReport()).toEqual({ kind: 'broken', position: at, reason: expect.stringMatching(reason) });
});

it.each([
  'UPDATE es.events SET account = account',
  'DELETE FROM es.events',
  'TRUNCATE es.events CASCADE',
  'DELETE FROM es.streams',
  'TRUNCATE es.streams',
  'DELETE FROM es.log_head',
  'INSERT INTO es.log_head SELECT * FROM es.log_head',
])('the database refuses: %s', async (sql) => {
  await expect(pool.query(sql)).rejects.toMatchObject({
    code: '23001',
    message: expect.stringContaining('append-only'),
  });
  expect(await lastReport()).toMatchObject({ kind: 'intact', through: 12n });
});
