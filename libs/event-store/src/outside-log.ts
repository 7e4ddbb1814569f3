import { ConfigError } from '#kernel';
import { position, type Position } from './port.js';
import type { Queryable } from './adapters/postgres/verify-chain.js';

/**
 * Holds a database and the log outside of it together: the first start binds them, every later one compares. Refuses a
 * database that has events of its own, one that belongs to another log, and a log that ends before what the database has seen.
 * @throws ConfigError in the operator's words.
 */
export const bindOutsideLog = async (
  db: Queryable,
  log: { readonly identity: string; readonly head: () => Promise<Position>; readonly where: string },
): Promise<void> => {
  const { rows: own } = await db.query<{ position: string }>('SELECT position FROM es.log_head');
  if (BigInt(own[0]?.position ?? 0) > 0n)
    throw new ConfigError(
      `DROVER_EVENT_STORE: this database holds ${own[0]!.position} events of its own, which kurrentdb would leave behind; ` +
        'keep DROVER_EVENT_STORE=postgres, or start kurrentdb with an empty database (DATABASE_URL or DROVER_DATA_DIR)',
    );
  await db.query('INSERT INTO es.outside_log (identity) VALUES ($1) ON CONFLICT DO NOTHING', [log.identity]);
  const bound = await boundLog(db);
  if (bound !== log.identity)
    throw new ConfigError(
      `KURRENTDB_URL: the log at ${log.where} is not the one that this database belongs to (log ${String(bound)}, ` +
        `here is ${log.identity}); point both at what belongs together, or start with an empty database`,
    );
  const { rows: seen } = await db.query<{ furthest: string | null }>(FURTHEST);
  const furthest = position(seen[0]?.furthest ?? 0);
  // Only now: on a busy log others append, and fold, between two looks.
  const head = await log.head();
  if (furthest > head)
    throw new ConfigError(
      `KURRENTDB_URL: the log at ${log.where} ends at ${head}, but this database has seen it up to ${furthest}: was ` +
        'KurrentDB restored from an older backup? Read models must be made anew: start with an empty database',
    );
};

/** @throws ConfigError when the database's events are outside of it. */
export const refuseOutsideLog = async (db: Queryable): Promise<void> => {
  const bound = await boundLog(db);
  if (bound !== undefined)
    throw new ConfigError(
      `DROVER_EVENT_STORE: the events of this database are in KurrentDB (log ${bound}); set DROVER_EVENT_STORE=kurrentdb`,
    );
};

const boundLog = async (db: Queryable): Promise<string | undefined> =>
  (await db.query<{ identity: string }>('SELECT identity FROM es.outside_log')).rows[0]?.identity;

const FURTHEST = `SELECT max(position) AS furthest FROM (
  SELECT position FROM processing.projections UNION ALL SELECT position FROM processing.checkpoints) seen`;
