import { position, type EventStore, type Position, type RecordedEvent } from '#event-store';
import { lastBy, lastByBackwards, type Until } from './last-by.js';
import { isNews, matchesPrefix, viewOf, type EventView } from './event-view.js';

export interface RecentQuery {
  readonly accountId: string;
  /** Empty for all. */
  readonly kindPrefix: string;
  readonly limit: number;
  /** Events after this position; without it, the newest. */
  readonly after?: Position;
  /** None after this one, or none that was recorded after this time. */
  readonly until?: Until;
}

export interface RecentPage {
  /** Oldest first. */
  readonly events: readonly EventView[];
  /** Nothing up to here was left out: where a follower goes on. */
  readonly through: Position;
}

export interface RecentEvents {
  find(query: RecentQuery): Promise<RecentPage>;
}
export const RECENT_EVENTS = Symbol('RecentEvents');

/** With its end as a place in the log. */
interface Walk extends Omit<RecentQuery, 'until'> {
  readonly until?: Position;
}

const WINDOW = 500n;
const PAGE = 500;

/**
 * Straight from the log, so it is never behind: the newest by windows from the end backwards, followers forwards. Needs no
 * table of its own; a rare kind far back costs a walk over the log.
 */
export class LogRecentEvents implements RecentEvents {
  constructor(private readonly store: Pick<EventStore, 'readAll' | 'readBackwards' | 'head'>) {}

  async find({ until, ...rest }: RecentQuery): Promise<RecentPage> {
    const walk = until === undefined ? rest : { ...rest, until: await this.placeOf(until) };
    return rest.after === undefined ? this.newest(walk) : this.following(walk, rest.after);
  }

  private async placeOf(until: Until): Promise<Position> {
    if (typeof until === 'bigint') return until;
    if (this.store.readBackwards !== undefined)
      return lastByBackwards(until.timeMs, (before) => this.store.readBackwards!(before, PAGE));
    return lastBy(until.timeMs, await this.store.head(), async (at) => {
      const { events } = await this.store.readAll(position(at - 1n), { limit: 1 });
      return Date.parse(events[0]!.recordedAt);
    });
  }

  private async end({ until }: Walk): Promise<Position> {
    const head = await this.store.head();
    return until !== undefined && until < head ? until : head;
  }

  private async newest(query: Walk): Promise<RecentPage> {
    const head = await this.end(query);
    if (this.store.readBackwards !== undefined) return { events: await this.backwards(query, head), through: head };
    const found: EventView[] = [];
    for (let end: bigint = head; end > 0n && found.length < query.limit; end -= WINDOW) {
      const start = end > WINDOW ? end - WINDOW : 0n;
      const page = (await this.window(position(start), position(end))).filter(wanted(query)).map(viewOf);
      found.unshift(...page.slice(-(query.limit - found.length)));
    }
    return { events: found, through: head };
  }

  /** Where positions have gaps, the log is walked by its own events. */
  private async backwards(query: Walk, head: Position): Promise<EventView[]> {
    const found: EventView[] = [];
    for (let before: Position | undefined; found.length < query.limit;) {
      const page = await this.store.readBackwards!(before, PAGE);
      // What came after we looked for the end belongs to the next call.
      found.push(...page.filter((event) => event.position <= head && wanted(query)(event)).map(viewOf));
      if (page.length === 0) break;
      before = page.at(-1)!.position;
    }
    return found.slice(0, query.limit).reverse();
  }

  private async following(query: Walk, after: Position): Promise<RecentPage> {
    const events: EventView[] = [];
    const { until } = query;
    let through = after;
    for (;;) {
      const batch = await this.store.readAll(through, { limit: PAGE });
      for (const event of batch.events) {
        if (until !== undefined && event.position > until) return { events, through };
        if (!wanted(query)(event)) continue;
        events.push(viewOf(event));
        if (events.length === query.limit) return { events, through: event.position };
      }
      if (batch.through <= through) return { events, through };
      through = batch.through;
    }
  }

  private async window(after: Position, last: Position): Promise<RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    for (let at = after; at < last;) {
      const batch = await this.store.readAll(at, { limit: PAGE });
      events.push(...batch.events.filter((event) => event.position <= last));
      if (batch.through <= at) break;
      at = batch.through;
    }
    return events;
  }
}

const wanted =
  (query: Walk) =>
  (event: RecordedEvent): boolean =>
    event.meta.accountId === query.accountId && isNews(event) && matchesPrefix(event, query.kindPrefix);
