import { failpoint } from '#kernel';
import type { Pool } from 'pg';
import { position, type Position } from '#event-store';
import type { CheckpointStore } from '../../feed/checkpoints.js';
import { FencedError } from '../../feed/lane.js';

export class PostgresCheckpoints implements CheckpointStore {
  constructor(private readonly pool: Pool) {}

  async claim(names: readonly string[], epoch: number): Promise<ReadonlyMap<string, Position>> {
    const { rows } = await this.pool.query<{ name: string; position: string }>(
      `INSERT INTO processing.checkpoints AS c SELECT name, 0, $2 FROM unnest($1::text[]) AS name
       ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch WHERE c.epoch <= excluded.epoch
       RETURNING name, position`,
      [names, epoch],
    );
    if (rows.length !== names.length) throw new FencedError(`a later runner than epoch ${epoch} owns the checkpoints`);
    return new Map(rows.map((row) => [row.name, position(row.position)]));
  }

  async save(name: string, to: Position, epoch: number): Promise<void> {
    await failpoint('checkpoint.saving');
    // Need not reach the disk at once: what is read again after a crash is recognised by its event id.
    const { rowCount } = await this.pool.query(
      `WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
       UPDATE processing.checkpoints SET position = $2 FROM relaxed WHERE name = $1 AND epoch = $3`,
      [name, to, epoch],
    );
    await failpoint('checkpoint.saved');
    if (rowCount !== 1) throw new FencedError(`${name} is no longer in epoch ${epoch}`);
  }
}
