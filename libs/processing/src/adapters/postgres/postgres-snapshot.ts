import type { Pool, PoolClient } from 'pg';
import { Serial } from '#kernel';
import { position } from '#event-store';
import type { Projection } from '../../projection.js';
import type { StoredDoc } from '../../projections/fold-batch.js';
import type { PageOf, ReadModelSnapshot } from '../../projections/read-model-snapshot.js';
import type { TableReport } from '../../projections/read-model-store.js';
import { conditionOf, shapeOf, tableOf } from './read-model-sql.js';

export interface ShapedTable extends TableReport {
  readonly columns: string;
}
interface DocRow {
  readonly key: string;
  readonly doc: object;
  readonly created: string;
  readonly position: string;
}

/** A transaction that is forgotten by its owner must not hold back a switch of tables for ever. */
const IDLE_MS = 30_000;
/** For a switch that is under way. */
const LOCK_MS = 5_000;
const TRIES = 5;

export type ReadTables = (db: Pick<PoolClient, 'query'>) => Promise<readonly ShapedTable[]>;

/**
 * One transaction that only reads. Tables are named and not seen through the views, so that one that was switched away
 * meanwhile is an error and never another moment's.
 */
export class PostgresSnapshot implements ReadModelSnapshot {
  /** Of statements: a connection does one at a time. */
  private readonly turns = new Serial();
  private closed = false;

  private constructor(
    private readonly client: PoolClient,
    private readonly active: readonly ShapedTable[],
    private readonly broken: () => Error | undefined,
    private readonly breaks: (error: Error) => void,
  ) {}

  static async open(pool: Pool, readTables: ReadTables): Promise<PostgresSnapshot> {
    const client = await pool.connect();
    let broken: Error | undefined;
    const breaks = (error: Error) => (broken = error);
    client.on('error', breaks);
    try {
      for (let tries = 1; ; tries++) {
        const locked = (await readTables(client)).filter((table) => table.state === 'active');
        const active = await begin(client, locked, readTables).catch((error: unknown) => {
          if (tries === TRIES) throw error;
        });
        if (active !== undefined) return new PostgresSnapshot(client, active, () => broken, breaks);
        await client.query('ROLLBACK');
        if (tries === TRIES) throw new Error('tables of read models are switched again and again');
      }
    } catch (error) {
      client.off('error', breaks);
      client.release(asError(error));
      throw error;
    }
  }

  table(projection: Projection): TableReport | undefined {
    const { name, version } = projection;
    return this.active.find((t) => t.name === name && t.version === version && t.columns === shapeOf(projection));
  }

  async load(projection: Projection, keys: readonly string[]): Promise<ReadonlyMap<string, StoredDoc>> {
    if (keys.length === 0) return new Map();
    return new Map(await this.rows(projection, 'WHERE key = ANY($1)', [keys]));
  }

  async page(projection: Projection, { where, after, limit }: PageOf): Promise<(readonly [string, StoredDoc])[]> {
    const values: unknown[] = [];
    const conditions = where.map(([column, value]) => conditionOf(column, value, values));
    if (after !== undefined)
      conditions.push(`(created, key) > ($${values.push(after.created)}, $${values.push(after.key)})`);
    const filter = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const bound = limit === undefined ? '' : `LIMIT $${values.push(limit)}`;
    return this.rows(projection, `${filter} ORDER BY created, key ${bound}`, values);
  }

  async close(): Promise<void> {
    await this.turns.run(async () => {
      if (this.closed) return;
      this.closed = true;
      const failed = this.broken() ?? (await this.client.query('ROLLBACK').then(() => undefined, asError));
      this.client.off('error', this.breaks);
      this.client.release(failed);
    });
  }

  private rows(projection: Projection, rest: string, values: unknown[]): Promise<(readonly [string, StoredDoc])[]> {
    const table = this.table(projection);
    if (table === undefined) return Promise.resolve([]);
    const text = `SELECT key, doc, created, position FROM ${tableOf(table.table)} ${rest}`;
    return this.turns.run(async () => {
      // The connection may be in another's transaction by now.
      if (this.closed) throw new Error('the snapshot is closed');
      const { rows } = await this.client.query<DocRow>(text, values);
      return rows.map(({ key, doc, ...at }) => [
        key,
        { doc, created: position(at.created), position: position(at.position) },
      ]);
    });
  }
}

/**
 * Before the snapshot is taken its tables are kept from being dropped: one that goes away in the middle of a prediction would look
 * like a tool that breaks. Answers the tables as the snapshot has them; undefined when others were switched in meanwhile.
 */
const begin = async (client: PoolClient, locked: readonly ShapedTable[], readTables: ReadTables) => {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  await client.query(`SET LOCAL idle_in_transaction_session_timeout = ${IDLE_MS}; SET LOCAL lock_timeout = ${LOCK_MS}`);
  if (locked.length > 0)
    await client.query(`LOCK TABLE ${locked.map(({ table }) => tableOf(table)).join(', ')} IN ACCESS SHARE MODE`);
  const active = (await readTables(client)).filter((table) => table.state === 'active');
  const isLocked = (table: ShapedTable) => locked.some((one) => one.table === table.table);
  return active.every(isLocked) ? active : undefined;
};

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
