import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { errorMessage, sha256Hex, silentLog, type Log, failpoint } from '#kernel';

/** The database does not match this Drover's migrations, or one of them failed; nothing of a failed file remains. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

export interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

export interface MigrationReport {
  readonly applied: readonly string[];
  readonly total: number;
}

/** Any fixed number; only one process migrates a database at a time. */
const MIGRATION_LOCK = 7_203_115;
const FILE_NAME = /^\d{4}_[a-z0-9_]+\.sql$/;

/** /migrations of the checkout: the same folder whether this file runs from source or from dist/. */
export const migrationsDir = (from: string = import.meta.dirname): string => {
  for (let at = from; ; at = dirname(at)) {
    if (existsSync(join(at, 'migrations')) && existsSync(join(at, 'package.json'))) return join(at, 'migrations');
    if (at === dirname(at)) throw new MigrationError(`no migrations folder above ${from}`);
  }
};

export const loadMigrations = async (dir: string = migrationsDir()): Promise<readonly Migration[]> => {
  const files = (await readdir(dir)).filter((file) => file.endsWith('.sql')).sort();
  const numbers = new Set<string>();
  const migrations: Migration[] = [];
  for (const name of files) {
    if (!FILE_NAME.test(name))
      throw new MigrationError(`${join(dir, name)}: the name must look like 0001_what_it_does.sql`);
    if (numbers.has(name.slice(0, 4)))
      throw new MigrationError(`${join(dir, name)}: its number is taken by another file`);
    numbers.add(name.slice(0, 4));
    const sql = await readFile(join(dir, name), 'utf8');
    migrations.push({ name, sql, checksum: sha256Hex(sql) });
  }
  return migrations;
};

/**
 * Brings the database forward. Each file runs once, in a transaction of its own, in order of its number; a file that was
 * applied may never change. Every context numbers its own range, so a lower number may still arrive later.
 */
export const migrate = async (
  connection: pg.ClientConfig,
  options: { readonly migrations?: readonly Migration[]; readonly log?: Log } = {},
): Promise<MigrationReport> => {
  const migrations = options.migrations ?? (await loadMigrations());
  const client = new pg.Client({ ...connection, application_name: 'drover-migrations' });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    return await applyMissing(client, migrations, options.log ?? silentLog);
  } finally {
    await client.end();
  }
};

const applyMissing = async (
  client: pg.Client,
  migrations: readonly Migration[],
  log: Log,
): Promise<MigrationReport> => {
  await client.query(`CREATE TABLE IF NOT EXISTS public.drover_migrations (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'SELECT name, checksum FROM public.drover_migrations',
  );
  const done = new Map(rows.map((row) => [row.name, row.checksum]));
  checkHistory(done, migrations);
  const applied: string[] = [];
  for (const migration of migrations) {
    if (done.has(migration.name)) continue;
    await applyOne(client, migration);
    await failpoint('migration.applied');
    log.info({ migration: migration.name }, 'migration applied');
    applied.push(migration.name);
  }
  return { applied, total: migrations.length };
};

const checkHistory = (done: ReadonlyMap<string, string>, migrations: readonly Migration[]): void => {
  const known = new Map(migrations.map((m) => [m.name, m.checksum]));
  for (const [name, checksum] of done) {
    const now = known.get(name);
    if (now === undefined) {
      throw new MigrationError(
        `the database has migration ${name}, which this Drover does not know: it is older than the database`,
      );
    }
    if (now !== checksum) {
      throw new MigrationError(
        `migration ${name} was changed after it was applied (then ${checksum.slice(0, 12)}, now ${now.slice(0, 12)}); ` +
          'restore the file and put the change into a new one',
      );
    }
  }
};

const applyOne = async (client: pg.Client, migration: Migration): Promise<void> => {
  try {
    await client.query('BEGIN');
    await client.query(migration.sql);
    await client.query('INSERT INTO public.drover_migrations (name, checksum) VALUES ($1, $2)', [
      migration.name,
      migration.checksum,
    ]);
    await failpoint('migration.before_commit');
    await client.query('COMMIT');
  } catch (cause) {
    // The session ends right after this error, and with it the transaction.
    throw new MigrationError(`migration ${migration.name} failed: ${errorMessage(cause)}`, { cause });
  }
};
