import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { position } from '#event-store';
import type { KeptState, KeptStates, Keeping } from '../../streams/kept-states.js';
import { inTransaction } from './transaction.js';

interface Row {
  readonly version: string;
  readonly position: string;
  readonly event_id: string;
  readonly state: string;
  readonly seal: Buffer;
}

/**
 * In `processing.kept_states` and `processing.kept_commands`. Each state bears a seal that only the platform's own processes can make: who
 * writes to the database must not let themselves in past a log that is proven. Until the key is known nothing is kept, nor looked at.
 */
export class PostgresKeptStates implements KeptStates {
  private key: Uint8Array | undefined;

  constructor(private readonly pool: Pool) {}

  sealWith(key: Uint8Array): void {
    this.key = key;
  }

  async load(stream: string, fold: string): Promise<KeptState | undefined> {
    if (this.key === undefined) return undefined;
    const { rows } = await this.pool.query<Row>(
      'SELECT version, position, event_id, state, seal FROM processing.kept_states WHERE stream = $1 AND fold = $2',
      [stream, fold],
    );
    const row = rows[0];
    if (row === undefined || !isSealed(row, sealOf(this.key, stream, fold, row))) return undefined;
    const { version, event_id: eventId, state } = row;
    return { version: Number(version), position: position(row.position), eventId, state: JSON.parse(state) };
  }

  async save(stream: string, fold: string, { from, commands, ...kept }: Keeping): Promise<void> {
    if (this.key === undefined) return;
    const { version, eventId } = kept;
    const row = { version: `${version}`, position: `${kept.position}`, event_id: eventId };
    const state = JSON.stringify(kept.state);
    const seal = sealOf(this.key, stream, fold, { ...row, state });
    const [ids, positions] = [[...commands.keys()].map(digestOf), [...commands.values()].map(String)];
    await inTransaction(this.pool, async (client) => {
      // Serialises those who keep the same stream; the row itself may not be there yet.
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 453))', [stream]);
      const values = [stream, fold, row.version, row.position, eventId, state, seal];
      if (!(await (from === undefined ? beginAnew(client, values) : goOn(client, stream, fold, from)))) return;
      await client.query('INSERT INTO processing.kept_states VALUES ($1, $2, $3, $4, $5, $6, $7)', values);
      await client.query(
        `INSERT INTO processing.kept_commands SELECT $1, $2, c.id, c.position FROM unnest($3::bytea[], $4::bigint[]) AS c(id, position)
         ON CONFLICT (stream, fold, command) DO UPDATE SET position = excluded.position`,
        [stream, fold, ids, positions],
      );
    });
  }

  async positionOf(stream: string, fold: string, commandId: string, version: number) {
    const { rows } = await this.pool.query<{ position: string | null }>(
      `SELECT c.position FROM processing.kept_states s
         LEFT JOIN processing.kept_commands c ON c.stream = s.stream AND c.fold = s.fold AND c.command = $3
        WHERE s.stream = $1 AND s.fold = $2 AND s.version >= $4`,
      [stream, fold, digestOf(commandId), version],
    );
    if (rows[0] === undefined) return 'gone';
    return rows[0].position === null ? undefined : position(rows[0].position);
  }
}

/** False when there is no more what these commands come after. */
const goOn = async (client: PoolClient, stream: string, fold: string, from: number): Promise<boolean> => {
  const gone = 'DELETE FROM processing.kept_states WHERE stream = $1 AND fold = $2 AND version = $3';
  return (await client.query(gone, [stream, fold, from])).rowCount === 1;
};

/** Whether the row is there already, to the letter: several processes that start read the same whole stream. */
const IS_THERE = `SELECT 1 FROM processing.kept_states
  WHERE stream = $1 AND fold = $2 AND version = $3 AND position = $4 AND event_id = $5 AND state = $6 AND seal = $7`;

/**
 * This fold's, of another log; one that is further may be of another log, too. Of other folds the newest stays: it is of the build before,
 * which works beside this one while the platform is upgraded, and must not read the stream as a whole again and again.
 */
const TO_BEGIN_ANEW = `DELETE FROM processing.kept_states WHERE stream = $1 AND fold IS DISTINCT FROM
  (SELECT fold FROM processing.kept_states WHERE stream = $1 AND fold <> $2 ORDER BY version DESC, fold LIMIT 1)`;
const COMMANDS_OF_NONE = `DELETE FROM processing.kept_commands
  WHERE stream = $1 AND fold NOT IN (SELECT fold FROM processing.kept_states WHERE stream = $1)`;

/** False when there is nothing to do. */
const beginAnew = async (client: PoolClient, values: readonly unknown[]): Promise<boolean> => {
  const [stream, fold] = values;
  if ((await client.query(IS_THERE, [...values])).rowCount !== 0) return false;
  await client.query(TO_BEGIN_ANEW, [stream, fold]);
  await client.query(COMMANDS_OF_NONE, [stream]);
  return true;
};

const digestOf = (commandId: string): Buffer => createHash('sha256').update(commandId).digest().subarray(0, 16);

const sealOf = (key: Uint8Array, stream: string, fold: string, row: Omit<Row, 'seal'>): Buffer =>
  createHmac('sha256', key)
    .update(JSON.stringify(['kept state', stream, fold, row.version, row.position, row.event_id, row.state]))
    .digest();

const isSealed = ({ seal }: Row, right: Buffer): boolean =>
  seal.length === right.length && timingSafeEqual(seal, right);
