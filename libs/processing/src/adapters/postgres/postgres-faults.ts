import type { Pool } from 'pg';
import { position } from '#event-store';
import type { Fault, FaultStore } from '../../feed/lane.js';

interface Row {
  readonly lane: string;
  readonly position: string;
  readonly error: string;
  readonly attempts: number;
  readonly since_ms: string;
}

export class PostgresFaults implements FaultStore {
  constructor(private readonly pool: Pool) {}

  async record(fault: Fault): Promise<void> {
    await this.pool.query(
      `INSERT INTO processing.faults VALUES ($1, $2, $3, $4, $5) ON CONFLICT (lane) DO UPDATE
         SET position = excluded.position, error = excluded.error, attempts = excluded.attempts, since_ms = excluded.since_ms`,
      [fault.lane, fault.position, fault.error.replaceAll('\0', ''), fault.attempts, Math.round(fault.sinceMs)],
    );
  }

  async clear(lane: string): Promise<void> {
    await this.pool.query('DELETE FROM processing.faults WHERE lane = $1', [lane]);
  }

  async list(): Promise<readonly Fault[]> {
    const { rows } = await this.pool.query<Row>('SELECT * FROM processing.faults ORDER BY lane');
    return rows.map((row) => ({
      lane: row.lane,
      position: position(row.position),
      error: row.error,
      attempts: row.attempts,
      sinceMs: Number(row.since_ms),
    }));
  }
}
