import pg from 'pg';
import { info, messageOf, sleep, warn } from '../log.js';
import { connectionOf, maintenanceOf, type DatastoreOptions } from './endpoint.js';

const LOCK = 7_078_254;
/**
 * As kine's table in Postgres (k3s-io/kine pkg/drivers/pgsql): every write is a row, and its id is the revision. One writer
 * at a time, so that rows become visible in the order of their ids and no reader skips one. A write is one statement: a
 * server that loses its power in the middle of several would hold the lock until somebody ends its session.
 */
const SCHEMA = `
SELECT pg_advisory_xact_lock(${LOCK});
CREATE TABLE IF NOT EXISTS kine (
  id BIGSERIAL PRIMARY KEY, name text COLLATE "C", created INTEGER, deleted INTEGER,
  create_revision BIGINT, prev_revision BIGINT, lease INTEGER, value bytea, old_value bytea);
CREATE INDEX IF NOT EXISTS kine_name_id_index ON kine (name, id);
CREATE UNIQUE INDEX IF NOT EXISTS kine_name_prev_revision_uindex ON kine (name, prev_revision);
CREATE OR REPLACE FUNCTION kine_double_write(key text, expected bigint, new_value bytea, OUT revision bigint, OUT current bigint)
LANGUAGE plpgsql AS $$
DECLARE last kine%ROWTYPE;
BEGIN
  PERFORM pg_advisory_xact_lock(${LOCK});
  SELECT * INTO last FROM kine WHERE name = key ORDER BY id DESC LIMIT 1;
  current := CASE WHEN last.id IS NULL OR last.deleted = 1 THEN 0 ELSE last.id END;
  IF expected <> current OR (new_value IS NULL AND current = 0) THEN RETURN; END IF;
  INSERT INTO kine (name, created, deleted, create_revision, prev_revision, lease, value, old_value)
  VALUES (key, (current = 0)::int, (new_value IS NULL)::int,
    CASE WHEN current = 0 THEN 0 WHEN last.created = 1 THEN last.id ELSE last.create_revision END,
    coalesce(last.id, 0), 0, coalesce(new_value, last.value), last.value)
  RETURNING id INTO revision;
END $$;`;
const NO_DATABASE = '3D000';
const TRIES = 300;

export interface Row {
  readonly id: number;
  readonly name: string;
  readonly deleted: boolean;
  readonly value: string;
}
export type Written = { readonly ok: true; readonly id: number } | { readonly ok: false; readonly current: number };

const rowOf = (raw: Record<string, unknown>): Row => ({
  id: Number(raw['id']),
  name: raw['name'] as string,
  deleted: Number(raw['deleted']) === 1,
  value: (raw['value'] as Buffer | null)?.toString('utf8') ?? '',
});

/** Keys and values in a database that several servers use at once. */
export class KineTable {
  private constructor(private readonly pool: pg.Pool) {}

  /** A database that does not answer yet is waited for, as kine does it: once a second, five minutes long. */
  static async open(options: DatastoreOptions): Promise<KineTable> {
    const config = connectionOf(options);
    for (let attempt = 1; ; attempt++) {
      const pool = new pg.Pool(config);
      pool.on('error', (cause) => warn(`lost a connection to the datastore: ${cause.message}`));
      try {
        await pool.query(`BEGIN; ${SCHEMA} COMMIT`);
        return new KineTable(pool);
      } catch (cause) {
        await pool.end();
        if ((cause as { code?: string }).code === NO_DATABASE) await createDatabase(config);
        else if (attempt >= TRIES) throw new Error(`building kine: ${messageOf(cause)}`, { cause });
        else info(`failed to ping connection: ${messageOf(cause)}`);
        await sleep(1_000);
      }
    }
  }

  /** `expected`: 0 = must not exist, n = must be at that revision, absent = whatever is there. null deletes. */
  async write(name: string, expected: number | undefined, value: string | null): Promise<Written> {
    const { rows } = await this.pool.query<{ revision: string | null; current: string }>(
      'SELECT * FROM kine_double_write($1, $2, $3)',
      [name, expected ?? null, value === null ? null : Buffer.from(value)],
    );
    const { revision, current } = rows[0]!;
    return revision === null ? { ok: false, current: Number(current) } : { ok: true, id: Number(revision) };
  }

  /** What there is of a prefix, and up to which revision that is. */
  async list(prefix: string): Promise<{ readonly revision: number; readonly rows: readonly Row[] }> {
    const newest = await this.pool.query('SELECT coalesce(max(id), 0) AS id FROM kine');
    const revision = Number(newest.rows[0].id);
    const { rows } = await this.pool.query(
      'SELECT DISTINCT ON (name) id, name, deleted, value FROM kine WHERE starts_with(name, $1) AND id <= $2 ORDER BY name, id DESC',
      [prefix, revision],
    );
    return { revision, rows: rows.map(rowOf).filter((row) => !row.deleted) };
  }

  async after(revision: number): Promise<readonly Row[]> {
    const { rows } = await this.pool.query('SELECT id, name, deleted, value FROM kine WHERE id > $1 ORDER BY id', [
      revision,
    ]);
    return rows.map(rowOf);
  }
}

const createDatabase = async (config: pg.PoolConfig): Promise<void> => {
  const { config: there, database } = maintenanceOf(config);
  const client = new pg.Client(there);
  try {
    await client.connect();
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
    info(`Created database ${database}`);
  } catch (cause) {
    // Another server was quicker, or may and this one may not: the next try shows it.
    info(`failed to create database ${database}: ${messageOf(cause)}`);
  } finally {
    await client.end();
  }
};
