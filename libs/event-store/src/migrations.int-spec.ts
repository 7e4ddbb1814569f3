import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { sha256Hex } from '#kernel';
import { loadMigrations, migrate, MigrationError, migrationsDir, type Migration } from './migrations.js';
import { testDatabase, type TestDatabase } from './testing/test-postgres.js';

let database: TestDatabase;
let known: readonly Migration[];
beforeEach(async () => {
  database = await testDatabase();
  known = await loadMigrations();
});
afterEach(() => database.drop());

const migration = (name: string, sql: string): Migration => ({ name, sql, checksum: sha256Hex(sql) });
const tables = async (): Promise<string[]> => {
  const client = new pg.Client(database.connection);
  await client.connect();
  const { rows } = await client.query(
    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 't%' ORDER BY 1",
  );
  await client.end();
  return rows.map((row) => row.tablename as string);
};
const run = (...more: Migration[]) => migrate(database.connection, { migrations: [...known, ...more] });

it('applies each file once, in order, and a lower number that arrives later as well', async () => {
  const first = migration('9002_two.sql', 'CREATE TABLE t2 (n int)');
  expect((await run(first)).applied).toEqual(['9002_two.sql']);
  expect((await run(first)).applied).toEqual([]);
  const late = migration('9001_one.sql', 'CREATE TABLE t1 (n int)');
  expect((await run(late, first)).applied).toEqual(['9001_one.sql']);
  expect(await tables()).toEqual(['t1', 't2']);
});

it('several processes that migrate at once apply everything once', async () => {
  const slow = migration('9001_slow.sql', 'CREATE TABLE t1 (n int); SELECT pg_sleep(0.1)');
  const reports = await Promise.all([run(slow), run(slow), run(slow), run(slow)]);
  expect(reports.flatMap((r) => r.applied)).toEqual(['9001_slow.sql']);
});

it('a failing file leaves nothing behind, is named, and can be run again once mended', async () => {
  const bad = migration('9001_bad.sql', 'CREATE TABLE t1 (n int); SELECT 1/0');
  await expect(run(bad)).rejects.toThrow(/9001_bad\.sql failed: division by zero/);
  expect(await tables()).toEqual([]);
  await run(migration('9001_bad.sql', 'CREATE TABLE t1 (n int)'));
  expect(await tables()).toEqual(['t1']);
});

it('refuses a file that was changed after it was applied', async () => {
  await run(migration('9001_one.sql', 'CREATE TABLE t1 (n int)'));
  const changed = run(migration('9001_one.sql', 'CREATE TABLE t1 (n bigint)'));
  await expect(changed).rejects.toThrow(MigrationError);
  await expect(run(migration('9001_one.sql', '-- other'))).rejects.toThrow(
    /9001_one\.sql was changed after it was applied/,
  );
});

it('refuses a database that a newer Drover has migrated', async () => {
  await run(migration('9001_one.sql', 'CREATE TABLE t1 (n int)'));
  await expect(run()).rejects.toThrow(/9001_one\.sql, which this Drover does not know/);
});

it('finds the folder from source and from dist, and refuses bad names and numbers used twice', async () => {
  expect(migrationsDir()).toBe(join(process.cwd(), 'migrations'));
  expect(migrationsDir(join(process.cwd(), 'dist/libs/event-store/src'))).toBe(join(process.cwd(), 'migrations'));
  const dir = await mkdtemp(join(tmpdir(), 'drover-migrations-'));
  await writeFile(join(dir, '0001_one.sql'), '');
  await writeFile(join(dir, '0001_two.sql'), '');
  await expect(loadMigrations(dir)).rejects.toThrow(/0001_two\.sql: its number is taken/);
  await rm(join(dir, '0001_two.sql'));
  await writeFile(join(dir, 'two.sql'), '');
  await expect(loadMigrations(dir)).rejects.toThrow(/must look like/);
  await rm(dir, { recursive: true });
});
