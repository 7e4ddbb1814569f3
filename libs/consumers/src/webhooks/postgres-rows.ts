import type pg from 'pg';
import { position, type Position } from '#event-store';
import { FencedError } from '#processing';
import type { DeadLetter, DeadLetterPage, DeliveryState, FailedAttempt, WebhookRows } from './rows.js';

interface StateRow {
  readonly position: string;
  readonly attempts: number;
  readonly next_attempt_ms: string;
  readonly last_error: string | null;
  readonly delivered: string;
  readonly last_delivered_ms: string | null;
  readonly last_failed_ms: string | null;
}
interface LetterRow {
  readonly event_id: string;
  readonly position: string;
  readonly kind: string;
  readonly attempts: number;
  readonly error: string;
  readonly dead_ms: string;
  readonly requested: boolean;
}

const stateOf = (row: StateRow): DeliveryState => ({
  position: position(row.position),
  attempts: row.attempts,
  nextAttemptMs: Number(row.next_attempt_ms),
  lastError: row.last_error,
  delivered: Number(row.delivered),
  lastDeliveredMs: row.last_delivered_ms === null ? null : Number(row.last_delivered_ms),
  lastFailedMs: row.last_failed_ms === null ? null : Number(row.last_failed_ms),
});
const letterOf = (row: LetterRow): DeadLetter => ({
  eventId: row.event_id,
  position: position(row.position),
  kind: row.kind,
  attempts: row.attempts,
  error: row.error,
  deadMs: Number(row.dead_ms),
  requested: row.requested,
});

const STATE = 'position, attempts, next_attempt_ms, last_error, delivered, last_delivered_ms, last_failed_ms';
const LETTER = 'event_id, position, kind, attempts, error, dead_ms, requested';
/** Errors may quote what an endpoint's name server or TLS stack said; text columns take no NUL. */
const clean = (error: string): string => error.replaceAll('\0', '').slice(0, 500);

/** Tables consumers.webhooks and consumers.dead_letters (migration 0410). Single statements only. */
export class PostgresWebhookRows implements WebhookRows {
  constructor(private readonly db: Pick<pg.Pool, 'query'>) {}

  async open(webhookId: string, start: Position, epoch: number): Promise<DeliveryState> {
    const { rows } = await this.db.query<StateRow>(
      `INSERT INTO consumers.webhooks AS w (webhook_id, epoch, position) VALUES ($1, $2, $3)
       ON CONFLICT (webhook_id) DO UPDATE SET epoch = excluded.epoch WHERE w.epoch <= excluded.epoch RETURNING ${STATE}`,
      [webhookId, epoch, start],
    );
    if (rows[0] === undefined) throw new FencedError(`${webhookId} is in a later epoch than ${epoch}`);
    return stateOf(rows[0]);
  }

  async advance(
    webhookId: string,
    to: Position,
    { delivered, nowMs }: { delivered: number; nowMs: number },
    epoch: number,
  ): Promise<void> {
    const { rowCount } = await this.db.query(
      `UPDATE consumers.webhooks SET position = $3, attempts = 0, next_attempt_ms = 0, delivered = delivered + $4,
              last_error = CASE WHEN $4 > 0 THEN NULL ELSE last_error END,
              last_delivered_ms = CASE WHEN $4 > 0 THEN $5 ELSE last_delivered_ms END
        WHERE webhook_id = $1 AND epoch = $2`,
      [webhookId, epoch, to, delivered, Math.round(nowMs)],
    );
    fence(rowCount, webhookId, epoch);
  }

  async failed(
    webhookId: string,
    { attempts, nextAttemptMs, error, nowMs }: FailedAttempt,
    epoch: number,
  ): Promise<void> {
    const { rowCount } = await this.db.query(
      `UPDATE consumers.webhooks SET attempts = $3, next_attempt_ms = $4, last_error = $5, last_failed_ms = $6
        WHERE webhook_id = $1 AND epoch = $2`,
      [webhookId, epoch, attempts, Math.round(nextAttemptMs), clean(error), Math.round(nowMs)],
    );
    fence(rowCount, webhookId, epoch);
  }

  async bury(webhookId: string, letter: Omit<DeadLetter, 'requested'>, epoch: number): Promise<void> {
    const { eventId, position: at, kind, attempts, error, deadMs } = letter;
    const { rowCount } = await this.db.query(
      `WITH moved AS (
         UPDATE consumers.webhooks SET position = $4, attempts = 0, next_attempt_ms = 0, last_error = $7, last_failed_ms = $8
          WHERE webhook_id = $1 AND epoch = $2 RETURNING webhook_id)
       INSERT INTO consumers.dead_letters (webhook_id, event_id, position, kind, attempts, error, dead_ms)
         SELECT webhook_id, $3, $4, $5, $6, $7, $8 FROM moved
         ON CONFLICT (webhook_id, event_id) DO UPDATE SET attempts = excluded.attempts, error = excluded.error, dead_ms = excluded.dead_ms`,
      [webhookId, epoch, eventId, at, kind, attempts, clean(error), Math.round(deadMs)],
    );
    fence(rowCount, webhookId, epoch);
  }

  async request(webhookId: string, eventIds: readonly string[], at: Position): Promise<void> {
    await this.db.query(
      `UPDATE consumers.dead_letters SET requested = true, requested_at = $3
        WHERE webhook_id = $1 AND event_id = ANY ($2::uuid[]) AND requested_at < $3`,
      [webhookId, eventIds, at],
    );
  }

  async requested(webhookId: string): Promise<readonly DeadLetter[]> {
    const { rows } = await this.db.query<LetterRow>(
      `SELECT ${LETTER} FROM consumers.dead_letters WHERE webhook_id = $1 AND requested ORDER BY position`,
      [webhookId],
    );
    return rows.map(letterOf);
  }

  async redelivered(webhookId: string, eventId: string, error: string | undefined, epoch: number): Promise<void> {
    const mine = `EXISTS (SELECT FROM consumers.webhooks w WHERE w.webhook_id = $1 AND w.epoch = $3)`;
    const { rowCount } =
      error === undefined
        ? await this.db.query(
            `DELETE FROM consumers.dead_letters WHERE webhook_id = $1 AND event_id = $2 AND ${mine}`,
            [webhookId, eventId, epoch],
          )
        : await this.db.query(
            `UPDATE consumers.dead_letters SET requested = false, attempts = attempts + 1, error = $4
              WHERE webhook_id = $1 AND event_id = $2 AND ${mine}`,
            [webhookId, eventId, epoch, clean(error)],
          );
    fence(rowCount, webhookId, epoch);
  }

  async remove(webhookId: string): Promise<void> {
    await this.db.query('DELETE FROM consumers.webhooks WHERE webhook_id = $1', [webhookId]);
  }

  async state(webhookId: string): Promise<(DeliveryState & { readonly deadLetters: number }) | undefined> {
    const { rows } = await this.db.query<StateRow & { dead: string }>(
      `SELECT ${STATE}, (SELECT count(*) FROM consumers.dead_letters d WHERE d.webhook_id = w.webhook_id) AS dead
         FROM consumers.webhooks w WHERE webhook_id = $1`,
      [webhookId],
    );
    return rows[0] && { ...stateOf(rows[0]), deadLetters: Number(rows[0].dead) };
  }

  async letters(webhookId: string, { limit, after }: DeadLetterPage): Promise<readonly DeadLetter[]> {
    const { rows } = await this.db.query<LetterRow>(
      `SELECT ${LETTER} FROM consumers.dead_letters WHERE webhook_id = $1 AND position > $2 ORDER BY position LIMIT $3`,
      [webhookId, after ?? -1, limit],
    );
    return rows.map(letterOf);
  }
}

const fence = (rowCount: number | null, webhookId: string, epoch: number): void => {
  if (rowCount !== 1) throw new FencedError(`${webhookId} is no longer in epoch ${epoch}`);
};
