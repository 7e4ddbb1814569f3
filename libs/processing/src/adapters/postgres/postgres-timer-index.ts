import { failpoint } from '#kernel';
import type { Pool } from 'pg';
import { FencedError } from '../../feed/lane.js';
import type { DueTimer, TimerEntry, TimerIndex } from '../../process/timer-index.js';

/**
 * `pm.timers`. Writes hold a share lock on the leader's row, so a host that lost the lead cannot remove a timer that its
 * successor has armed.
 */
export class PostgresTimerIndex implements TimerIndex {
  constructor(
    private readonly pool: Pool,
    private readonly role: string,
    private readonly epoch: number,
  ) {}

  async sync(manager: string, instance: string, timers: readonly TimerEntry[]): Promise<void> {
    if (timers.length > 0) await failpoint('timer.arming');
    const { rows } = await this.pool.query<{ leads: number }>(
      `WITH leader AS MATERIALIZED (SELECT 1 FROM processing.leader WHERE role = $1 AND epoch = $2 FOR SHARE),
       gone AS (DELETE FROM pm.timers WHERE manager = $3 AND instance = $4 AND NOT name = ANY($5)
                   AND EXISTS (SELECT FROM leader)),
       kept AS (INSERT INTO pm.timers SELECT $3, $4, t.* FROM unnest($5::text[], $6::bigint[], $7::bigint[]) AS t
                 WHERE EXISTS (SELECT FROM leader)
                ON CONFLICT (manager, instance, name) DO UPDATE SET due_ms = excluded.due_ms, set_at = excluded.set_at)
       SELECT count(*)::int AS leads FROM leader`,
      [
        this.role,
        this.epoch,
        manager,
        instance,
        timers.map((t) => t.name),
        timers.map((t) => Math.round(t.dueMs)),
        timers.map((t) => t.setAt),
      ],
    );
    if (timers.length > 0) await failpoint('timer.armed');
    if (rows[0]?.leads !== 1) throw new FencedError(`epoch ${this.epoch} no longer leads`);
  }

  async due(nowMs: number, limit: number): Promise<readonly DueTimer[]> {
    const { rows } = await this.pool.query<DueRow>(
      `SELECT manager, instance, name, due_ms, set_at FROM pm.timers WHERE due_ms <= $1
        ORDER BY due_ms, manager, instance, name LIMIT $2`,
      [Math.floor(nowMs), limit],
    );
    return rows.map(({ due_ms, set_at, ...row }) => ({ ...row, dueMs: Number(due_ms), setAt: Number(set_at) }));
  }

  async next(): Promise<number | undefined> {
    const { rows } = await this.pool.query<{ due: string | null }>('SELECT min(due_ms) AS due FROM pm.timers');
    return rows[0]?.due == null ? undefined : Number(rows[0].due);
  }
}

interface DueRow {
  readonly manager: string;
  readonly instance: string;
  readonly name: string;
  readonly due_ms: string;
  readonly set_at: string;
}
