import type { EventCatalogue } from '#kernel';
import { position, type Position, type Queryable, type RecordedEvent } from '#event-store';
import { viewOf } from './event-view.js';
import { lastBy, type Until } from './last-by.js';
import type { RecentEvents, RecentPage, RecentQuery } from './recent-events.js';

interface Row {
  readonly position: string | null;
  readonly envelope: string | null;
  readonly head: string;
}

const likeText = (text: string): string => text.replace(/[\\%_]/g, '\\$&');

/**
 * Straight from the log's table, so it is never behind what was answered. The server walks the log from its end (or from
 * the cursor) and stops at the limit; a kind or topic stands in the stored envelope as `"kind…`, so a substring search
 * leaves few candidates for the exact test.
 */
const query = (order: 'ASC' | 'DESC', after: boolean): string => `
  SELECT h.position AS head, e.position, e.envelope
    FROM (SELECT LEAST(position, $5::bigint) AS position FROM es.log_head) h LEFT JOIN LATERAL (
    SELECT position, envelope FROM es.events
     WHERE position <= h.position ${after ? 'AND position > $6::bigint' : ''}
       AND account = $1 AND category NOT LIKE 'pm\\_%'
       AND ($2 = '' OR starts_with(type, $2) OR (envelope LIKE $3 AND EXISTS (
         SELECT FROM jsonb_array_elements_text(envelope::jsonb #> '{meta,topics}') AS topic WHERE starts_with(topic, $2))))
     ORDER BY position ${order} LIMIT $4) e ON true`;

export class PostgresRecentEvents implements RecentEvents {
  constructor(
    private readonly db: Queryable,
    /** What brings old events to their current schema; without it they are shown as they are stored. */
    private readonly catalogue?: Pick<EventCatalogue, 'current'>,
  ) {}

  async find({ accountId, kindPrefix, limit, after, until }: RecentQuery): Promise<RecentPage> {
    const values: unknown[] = [
      accountId,
      kindPrefix,
      `%"${likeText(kindPrefix)}%`,
      limit,
      until === undefined ? null : String(await this.placeOf(until)),
    ];
    if (after !== undefined) values.push(String(after));
    const { rows } = await this.db.query<Row>(query(after === undefined ? 'DESC' : 'ASC', after !== undefined), values);
    const found = rows.filter((row) => row.envelope !== null);
    if (after === undefined) found.reverse();
    const events = found.map((row) => {
      const stored = JSON.parse(row.envelope!) as RecordedEvent;
      return viewOf(this.catalogue === undefined ? stored : this.catalogue.current(stored));
    });
    const last = found.at(-1)?.position;
    const isFull = after !== undefined && found.length === limit && last != null;
    return { events, through: position(isFull ? last : rows[0]!.head) };
  }

  private async placeOf(until: Until): Promise<Position> {
    if (typeof until === 'bigint') return until;
    const { rows } = await this.db.query<{ readonly position: string }>('SELECT position FROM es.log_head');
    return lastBy(until.timeMs, position(rows[0]!.position), async (at) => {
      const query = 'SELECT recorded_ms FROM es.events WHERE position = $1::bigint';
      const found = await this.db.query<{ readonly recorded_ms: string }>(query, [String(at)]);
      return Number(found.rows[0]!.recorded_ms);
    });
  }
}
