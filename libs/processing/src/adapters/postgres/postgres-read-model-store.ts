import type { PoolClient } from 'pg';
import { position, START, type Position } from '#event-store';
import { FencedError } from '../../feed/lane.js';
import type { Projection } from '../../projection.js';
import type { BatchChange, StoredDoc } from '../../projections/fold-batch.js';
import { checkProjection, columnsOf } from '../../projections/query.js';
import type { ProjectionTable, ReadModelStore, TableReport } from '../../projections/read-model-store.js';
import type { ReadModelSnapshot } from '../../projections/read-model-snapshot.js';
import { PostgresReadModels } from './postgres-read-models.js';
import { PostgresSnapshot } from './postgres-snapshot.js';
import { commitChange, createIndexes, createTable, shapeOf, switchView, tableOf } from './read-model-sql.js';
import { inTransaction } from './transaction.js';

interface Row {
  readonly table_name: string;
  readonly name: string;
  readonly version: number;
  readonly columns: string;
  readonly state: 'building' | 'active';
  readonly position: string;
  readonly skipped: readonly string[];
  readonly ordered_at: string;
}

/** Tables are made and dropped by one session at a time. Any fixed number. */
const DDL_LOCK = 7_203_116;
/** Who waits for a table's lock holds up every reader behind it. */
const SWITCH_MS = 100;
/** Postgres's code for a lock that was not given in time. */
const LOCK_NOT_AVAILABLE = '55P03';

export class PostgresReadModelStore extends PostgresReadModels implements ReadModelStore {
  open(projections: readonly Projection[], epoch: number): Promise<readonly ProjectionTable[]> {
    for (const projection of projections) checkProjection(projection);
    return inTransaction(this.pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [DDL_LOCK]);
      const tables: ProjectionTable[] = [];
      for (const projection of projections) tables.push(...(await this.openOne(client, projection, epoch)));
      const names = tables.map((t) => t.table);
      const { rowCount } = await client.query(
        'UPDATE processing.projections SET epoch = $2 WHERE table_name = ANY($1) AND epoch <= $2',
        [names, epoch],
      );
      if (rowCount !== names.length) throw new FencedError(`a later runner than epoch ${epoch} owns the read models`);
      // Read after the epoch is ours: an earlier runner can move them no further.
      const { rows } = await client.query<Row>('SELECT * FROM processing.projections WHERE table_name = ANY($1)', [
        names,
      ]);
      const now = new Map(rows.map((row) => [row.table_name, reported(row)]));
      return tables.map((t) => ({ ...t, ...stateOf(now.get(t.table)!) }));
    });
  }

  rebuild(projection: Projection, epoch: number, orderedAt: Position = START): Promise<ProjectionTable> {
    return inTransaction(this.pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [DDL_LOCK]);
      for (const row of await this.rowsOf(client, projection.name)) {
        if (row.state === 'building') await this.drop(client, row.table_name);
      }
      return this.make(client, projection, epoch, 'building', orderedAt);
    });
  }

  async load(table: ProjectionTable, keys: readonly string[]): Promise<ReadonlyMap<string, StoredDoc>> {
    const { rows } = await this.pool.query<{ key: string; doc: object; created: string; position: string }>(
      `SELECT key, doc, created, position FROM ${tableOf(table.table)} WHERE key = ANY($1)`,
      [keys],
    );
    return new Map(rows.map((row) => [row.key, stored(row)]));
  }

  async commit(
    table: ProjectionTable,
    change: BatchChange,
    from: Position,
    to: Position,
    epoch: number,
  ): Promise<ReadonlyMap<string, string>> {
    const { records, texts } = recordsOf(table.projection, change.upserts);
    const values = [table.table, from, to, epoch, change.deletes, records, change.skipped ?? []];
    const { rows } = await this.pool.query<{ fenced_in: number }>(commitChange(table.table, table.projection), values);
    if (rows[0]?.fenced_in !== 1) throw new FencedError(`${table.table} is no longer at ${from} in epoch ${epoch}`);
    return texts;
  }

  async prepare(table: ProjectionTable): Promise<void> {
    await this.pool.query(createIndexes(table.table, table.projection));
  }

  async advance(tables: readonly ProjectionTable[], to: Position, epoch: number): Promise<void> {
    const { rowCount } = await this.pool.query(
      `WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
       UPDATE processing.projections SET position = $2 FROM relaxed WHERE table_name = ANY($1) AND epoch = $3`,
      [tables.map((t) => t.table), to, epoch],
    );
    if (rowCount !== tables.length) throw new FencedError(`epoch ${epoch} no longer owns the read models`);
  }

  activate(table: ProjectionTable, epoch: number): Promise<ProjectionTable | undefined> {
    const switched = inTransaction(this.pool, async (client): Promise<ProjectionTable> => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [DDL_LOCK]);
      const { rowCount } = await client.query(
        'SELECT FROM processing.projections WHERE table_name = $1 AND epoch = $2 FOR UPDATE',
        [table.table, epoch],
      );
      if (rowCount !== 1) throw new FencedError(`${table.table} is no longer in epoch ${epoch}`);
      const others = (await this.rowsOf(client, table.projection.name)).filter((r) => r.table_name !== table.table);
      await client.query(createIndexes(table.table, table.projection));
      await client.query(`SET LOCAL lock_timeout = ${SWITCH_MS}`);
      await client.query(switchView(table.table, table.projection));
      for (const other of others) await this.drop(client, other.table_name);
      await client.query(`UPDATE processing.projections SET state = 'active' WHERE table_name = $1`, [table.table]);
      return { ...table, state: 'active' };
    });
    return switched.catch((error: unknown) => {
      if ((error as { readonly code?: unknown }).code === LOCK_NOT_AVAILABLE) return undefined;
      throw error;
    });
  }

  async *scan(table: ProjectionTable, pageSize: number): AsyncIterable<readonly [string, StoredDoc][]> {
    let after: [string, string] = ['-1', ''];
    for (;;) {
      const { rows } = await this.pool.query<{ key: string; doc: object; created: string; position: string }>(
        `SELECT key, doc, created, position FROM ${tableOf(table.table)} WHERE (created, key) > ($1, $2)
          ORDER BY created, key LIMIT $3`,
        [...after, pageSize],
      );
      if (rows.length > 0) yield rows.map((row) => [row.key, stored(row)]);
      const last = rows.at(-1);
      if (last === undefined || rows.length < pageSize) return;
      after = [last.created, last.key];
    }
  }

  async positions(projections: readonly Projection[]): Promise<ReadonlyMap<string, Position>> {
    const { rows } = await this.pool.query<{ name: string; position: string }>(
      `SELECT p.name, p.position FROM processing.projections p
         JOIN unnest($1::text[], $2::int[], $3::text[]) AS w(name, version, columns) USING (name, version, columns)
        WHERE p.state = 'active'`,
      [projections.map((p) => p.name), projections.map((p) => p.version), projections.map(shapeOf)],
    );
    return new Map(rows.map((row) => [row.name, position(row.position)]));
  }

  async tables(): Promise<readonly TableReport[]> {
    const { rows } = await this.pool.query<Row>(
      'SELECT * FROM processing.projections ORDER BY name, state, table_name',
    );
    return rows.map(reported);
  }

  snapshot(): Promise<ReadModelSnapshot> {
    return PostgresSnapshot.open(this.pool, async (db) => {
      const { rows } = await db.query<Row>('SELECT * FROM processing.projections');
      return rows.map((row) => ({ ...reported(row), columns: row.columns }));
    });
  }

  /** The tables of this very version and shape; others' half-built ones are dropped, the active one stays until the switch. */
  private async openOne(client: PoolClient, projection: Projection, epoch: number): Promise<ProjectionTable[]> {
    const rows = await this.rowsOf(client, projection.name);
    const mine = rows.filter((r) => r.version === projection.version && r.columns === shapeOf(projection));
    for (const row of rows)
      if (row.state === 'building' && !mine.includes(row)) await this.drop(client, row.table_name);
    if (mine.length === 0) {
      const state = rows.some((row) => row.state === 'active') ? 'building' : 'active';
      return [await this.make(client, projection, epoch, state)];
    }
    return mine.map((row) => ({ table: row.table_name, projection, ...stateOf(reported(row)) }));
  }

  private async make(
    client: PoolClient,
    projection: Projection,
    epoch: number,
    state: Row['state'],
    orderedAt: Position = START,
  ): Promise<ProjectionTable> {
    const { rows } = await client.query<{ nextval: string }>(`SELECT nextval('processing.generation')`);
    const base = `${projection.name}_v${projection.version}`;
    const taken = (await this.rowsOf(client, projection.name)).some((row) => row.table_name === base);
    const table = taken ? `${base}_r${rows[0]!.nextval}` : base;
    await client.query(createTable(table, projection));
    await client.query(
      `INSERT INTO processing.projections (table_name, name, version, columns, state, position, epoch, ordered_at)
       VALUES ($1, $2, $3, $4, $5, 0, $6, $7)`,
      [table, projection.name, projection.version, shapeOf(projection), state, epoch, orderedAt],
    );
    if (state === 'active') await client.query(createIndexes(table, projection) + switchView(table, projection));
    return { table, projection, state, position: START, skipped: [], orderedAt };
  }

  private async drop(client: PoolClient, table: string): Promise<void> {
    await client.query(`DROP TABLE ${tableOf(table)}`);
    await client.query('DELETE FROM processing.projections WHERE table_name = $1', [table]);
  }

  private async rowsOf(client: PoolClient, name: string): Promise<Row[]> {
    const text = 'SELECT * FROM processing.projections WHERE name = $1 ORDER BY table_name';
    return (await client.query<Row>(text, [name])).rows;
  }
}

const reported = (row: Row): TableReport => ({
  table: row.table_name,
  name: row.name,
  version: row.version,
  state: row.state,
  position: position(row.position),
  skipped: row.skipped.map(position),
  orderedAt: position(row.ordered_at),
});

const stateOf = ({ state, position: at, skipped, orderedAt }: TableReport) => ({
  state,
  position: at,
  skipped,
  orderedAt,
});

/** The rows of a commit as one JSON array; each document is written out once. */
const recordsOf = (projection: Projection, upserts: BatchChange['upserts']) => {
  const empty = Object.fromEntries(columnsOf(projection).map((column) => [column, null]));
  const texts = new Map<string, string>();
  const records: string[] = [];
  for (const [key, { doc, created, position: at }] of upserts) {
    const text = JSON.stringify(doc);
    texts.set(key, text);
    const row = { ...empty, ...projection.columns(doc), key, created: String(created), position: String(at) };
    records.push(`${JSON.stringify(row).slice(0, -1)},"doc":${text}}`);
  }
  return { texts, records: `[${records.join(',')}]` };
};

const stored = (row: { doc: object; created: string; position: string }): StoredDoc => ({
  doc: row.doc,
  created: position(row.created),
  position: position(row.position),
});
