import type { Pool } from 'pg';
import type { FindOptions, Projection, ReadModels } from '../../projection.js';
import { checkedWhere, cursorGone } from '../../projections/query.js';
import { conditionOf, viewOf } from './read-model-sql.js';

/** Reads through the views of schema `read`, which always show a complete table. Needs no leadership. */
export class PostgresReadModels implements ReadModels {
  constructor(protected readonly pool: Pool) {}

  async get<D extends object>(projection: Projection<D>, key: string): Promise<D | undefined> {
    const text = `SELECT doc FROM ${viewOf(projection.name)} WHERE key = $1`;
    const { rows } = await this.pool.query<{ doc: D }>(text, [key]);
    return rows[0]?.doc;
  }

  async find<D extends object>(projection: Projection<D>, options: FindOptions = {}): Promise<D[]> {
    const view = viewOf(projection.name);
    const values: unknown[] = [];
    const where = checkedWhere(projection as unknown as Projection, options);
    const conditions = where.map(([column, value]) => conditionOf(column, value, values));
    if (options.after !== undefined) {
      const { rows } = await this.pool.query<{ created: string }>(`SELECT created FROM ${view} WHERE key = $1`, [
        options.after,
      ]);
      if (rows[0] === undefined) throw cursorGone(projection as unknown as Projection);
      conditions.push(`(created, key) > ($${values.push(rows[0].created)}, $${values.push(options.after)})`);
    }
    const filter = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const limit = options.limit === undefined ? '' : `LIMIT $${values.push(options.limit)}`;
    const text = `SELECT doc FROM ${view} ${filter} ORDER BY created, key ${limit}`;
    const { rows } = await this.pool.query<{ doc: D }>(text, values);
    return rows.map((row) => row.doc);
  }
}
