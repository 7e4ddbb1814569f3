import { createHash } from 'node:crypto';
import type { ColumnValue, Projection } from '../../projection.js';
import { columnsOf } from '../../projections/query.js';

/** Names come from code and are checked (see checkProjection); quoting keeps reserved words usable. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const tableOf = (table: string): string => `rm.${quoted(table)}`;
export const viewOf = (name: string): string => `read.${quoted(name)}`;

/** Equality with a column; the value is pushed to those of the statement. */
export const conditionOf = (column: string, value: ColumnValue, values: unknown[]): string =>
  value === null ? `${quoted(column)} IS NULL` : `${quoted(column)} = $${values.push(value)}`;

const extracted = (projection: Projection): string[] => columnsOf(projection).map(quoted);

/** The shape of a table: another one under the same version means that the table must be built anew. */
export const shapeOf = (projection: Projection): string =>
  columnsOf(projection)
    .sort()
    .map((column) => `${column} ${projection.columnTypes[column]}`)
    .join(', ');

/** `created` is the position of the event that created the document: the order of lists. */
/** A table without what only its readers need: each index would be kept up to date a million times while it is built. */
export const createTable = (table: string, projection: Projection): string => {
  const columns = columnsOf(projection).map((c) => `${quoted(c)} ${projection.columnTypes[c]}`);
  return [
    `CREATE TABLE ${tableOf(table)} (key text COLLATE "C" PRIMARY KEY, account text COLLATE "C" NOT NULL,`,
    columns.map((c) => `${c},`).join(' '),
    'doc jsonb NOT NULL, created bigint NOT NULL, position bigint NOT NULL) WITH (fillfactor = 80);',
  ].join('\n');
};

/** May be run again. Names are digests, because those of tables and columns together may be too long for Postgres. */
export const createIndexes = (table: string, projection: Projection): string => {
  const index = (how: string) => {
    const name = `i_${createHash('sha256').update(`${table} ${how}`).digest('hex').slice(0, 32)}`;
    return `CREATE INDEX IF NOT EXISTS ${name} ON ${tableOf(table)} ${how};`;
  };
  return [
    index('(created, key)'),
    index('(account, created, key)'),
    // Hash, because a long text does not fit a b-tree entry and would turn its event into poison.
    ...columnsOf(projection)
      .filter((c) => projection.columnTypes[c] !== 'boolean')
      .map((c) => index(`USING hash (${quoted(c)})`)),
  ].join('\n');
};

/** Dropped and made anew, because a new version may have other columns; both in the caller's transaction. */
export const switchView = (table: string, projection: Projection): string =>
  `DROP VIEW IF EXISTS ${viewOf(projection.name)};
   CREATE VIEW ${viewOf(projection.name)} AS
     SELECT ${['key', 'account', ...extracted(projection), 'doc', 'created', 'position'].join(', ')} FROM ${tableOf(table)}`;

/**
 * Rows and checkpoint in one statement, hence one transaction. The checkpoint row is the fence: if it is not at $2 or not
 * in epoch $4 any more, nothing is written. It need not reach the disk at once: after a crash of the database the rows
 * and the checkpoint go back together and the events are folded again.
 */
export const commitChange = (table: string, projection: Projection): string => {
  const columns = extracted(projection);
  const all = ['key', 'account', ...columns, 'doc', 'created', 'position'];
  const types = columnsOf(projection).map((c) => `${quoted(c)} ${projection.columnTypes[c]}`);
  const record = ['key text', 'account text', ...types, 'doc jsonb', 'created bigint', 'position bigint'];
  return `WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true)),
    fence AS (UPDATE processing.projections SET position = $3, skipped = skipped || $7::bigint[]
               WHERE table_name = $1 AND position = $2 AND epoch = $4 RETURNING 1),
    gone AS (DELETE FROM ${tableOf(table)} WHERE key = ANY($5) AND EXISTS (SELECT FROM fence)),
    kept AS (INSERT INTO ${tableOf(table)} (${all.join(', ')})
      SELECT ${all.join(', ')} FROM jsonb_to_recordset($6::jsonb) AS r(${record.join(', ')}) WHERE EXISTS (SELECT FROM fence)
      ON CONFLICT (key) DO UPDATE SET ${all
        .slice(1)
        .map((c) => `${c} = excluded.${c}`)
        .join(', ')})
    SELECT count(*)::int AS fenced_in FROM fence, relaxed`;
};
