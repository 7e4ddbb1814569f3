import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Pool } from 'pg';
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
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 453))', [`${fold} ${stream}`]);
      const { rowCount } = await client.query(
        from === undefined
          ? 'DELETE FROM processing.kept_states WHERE stream = $1'
          : 'DELETE FROM processing.kept_states WHERE stream = $1 AND fold = $2 AND version = $3',
        from === undefined ? [stream] : [stream, fold, from],
      );
      if (from !== undefined && rowCount === 0) return;
      // Of other logs and other builds.
      if (from === undefined) await client.query('DELETE FROM processing.kept_commands WHERE stream = $1', [stream]);
      await client.query('INSERT INTO processing.kept_states VALUES ($1, $2, $3, $4, $5, $6, $7)', [
        ...[stream, fold, row.version, row.position, eventId, state, seal],
      ]);
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

const digestOf = (commandId: string): Buffer => createHash('sha256').update(commandId).digest().subarray(0, 16);

const sealOf = (key: Uint8Array, stream: string, fold: string, row: Omit<Row, 'seal'>): Buffer =>
  createHmac('sha256', key)
    .update(JSON.stringify(['kept state', stream, fold, row.version, row.position, row.event_id, row.state]))
    .digest();

const isSealed = ({ seal }: Row, right: Buffer): boolean =>
  seal.length === right.length && timingSafeEqual(seal, right);
