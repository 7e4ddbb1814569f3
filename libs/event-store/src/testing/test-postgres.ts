import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { systemIds } from '#kernel';
import { PostgresEventStore, type PostgresEventStoreOptions } from '../adapters/postgres/postgres-event-store.js';
import { startEmbeddedPostgres } from '../embedded/launcher.js';
import { migrate } from '../migrations.js';

export interface TestDatabase {
  /** For pg.Pool and pg.Client. */
  readonly connection: pg.ClientConfig;
  readonly connectionString: string;
  /** Cuts every session off and removes the database. Not needed before the end of the test file. */
  drop(): Promise<void>;
}

interface TestServer {
  readonly url: URL;
  readonly template: string;
  stop(): Promise<void>;
}

let server: Promise<TestServer> | undefined;

/** Test files of one process share a server that DATABASE_URL names. */
const uniqueName = (what: string): string => `${what}_${systemIds.uuid().replaceAll('-', '')}`;

/**
 * A fresh, migrated database on real Postgres: one embedded server per test file, started at first use and stopped after
 * the last test (or by `stopTestPostgres`); with DATABASE_URL, databases on that server. Costs about 50 ms each.
 */
export const testDatabase = async (): Promise<TestDatabase> => {
  const { url, template } = await (server ??= startServer(process.env.DATABASE_URL));
  const name = uniqueName('drover_test');
  await admin(url, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const connectionString = withDatabase(url, name);
  return {
    connection: { connectionString },
    connectionString,
    drop: () => admin(url, sessionsGone(`datname = '${name}'`), `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
};

/** A Postgres event store on a fresh database. Close it in afterEach or afterAll. */
export const testEventStore = async (
  options: Omit<PostgresEventStoreOptions, 'connection'> = {},
): Promise<{ store: PostgresEventStore; database: TestDatabase }> => {
  const database = await testDatabase();
  return { database, store: new PostgresEventStore({ connection: database.connection, ...options }) };
};

/** Called by itself after the last test under jest. */
export const stopTestPostgres = async (): Promise<void> => {
  const running = server;
  server = undefined;
  if (running !== undefined) await (await running).stop();
};

if (typeof afterAll === 'function') afterAll(stopTestPostgres);

const startServer = async (databaseUrl: string | undefined): Promise<TestServer> => {
  const template = uniqueName('drover_template');
  if (databaseUrl !== undefined) {
    const url = new URL(databaseUrl);
    await makeTemplate(url, template);
    return { url, template, stop: () => admin(url, `DROP DATABASE IF EXISTS ${template} WITH (FORCE)`) };
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'drover-test-'));
  // A kill -9 of the server keeps the page cache, so tests need no fsync; only a power cut would.
  const parameters = { fsync: 'off', full_page_writes: 'off' };
  const embedded = await startEmbeddedPostgres({ dataDir, parameters, dieWithParent: true });
  const url = new URL(embedded.connectionString.replace('@/', '@localhost/'));
  const stop = async () => {
    await admin(url, sessionsGone(`application_name <> 'drover-owner'`));
    await embedded.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    await makeTemplate(url, template);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, template, stop };
};

/**
 * A pool's `end()` resolves before its sockets are closed; a session that the server then cuts off would surface as an
 * error of that pool. So those that are on their way out get half a second.
 */
const sessionsGone = (which: string): string => `DO $$ BEGIN
  FOR i IN 1..50 LOOP
    EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND ${which});
    PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
  END LOOP; END $$`;

const makeTemplate = async (url: URL, template: string): Promise<void> => {
  await admin(url, `DROP DATABASE IF EXISTS ${template} WITH (FORCE)`, `CREATE DATABASE ${template}`);
  await migrate({ connectionString: withDatabase(url, template) });
};

const withDatabase = (url: URL, name: string): string => {
  const copy = new URL(url);
  copy.pathname = `/${name}`;
  return copy.href;
};

const admin = async (url: URL, ...statements: readonly string[]): Promise<void> => {
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
};
