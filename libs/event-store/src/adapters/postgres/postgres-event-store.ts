import pg from 'pg';
import {
  backoffMs,
  errorMessage,
  silentLog,
  sleep,
  systemClock,
  systemRandom,
  systemTimers,
  type Clock,
  type Log,
  type Random,
  type Timers,
  failpoint,
} from '#kernel';
import {
  EventStoreUnavailableError,
  position,
  type AppendOutcome,
  type AppendRequest,
  type Batch,
  type Capabilities,
  type EventStore,
  type Position,
  type ReadAllOptions,
  type RecordedEvent,
  type SubscribeOptions,
} from '../../port.js';
import { prepareAppend } from './append-statement.js';
import { GroupCommitter } from './group-committer.js';
import { AppendListener } from './listener.js';
import { classify, unavailable } from './pg-errors.js';
import { recordedEvent, type EventRow } from './rows.js';

export interface PostgresEventStoreOptions {
  readonly connection: pg.ClientConfig;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Pick<Random, 'unit'>;
  readonly log?: Log;
  /** How long an append waits for a lost server to come back, in milliseconds; default 5,000. */
  readonly patienceMs?: number;
  /** Interval at which subscriptions look even without a notification, in milliseconds; default 1,000. */
  readonly pollMs?: number;
  /** Connections for reading; default 4. One more writes and one listens. */
  readonly readers?: number;
}

const STREAM_PAGE = 500;
/** A filtered read looks at no more than this many positions at once, so that a rare category costs no long statement. */
const READ_WINDOW = 20_000;
/** A batch ends before it grows past this, though not before its first event. */
const BATCH_BYTES = 8 * 1024 * 1024;

const READ_ALL = `
  SELECT h.position AS head, e.position, e.recorded_ms, e.envelope
    FROM es.log_head h LEFT JOIN LATERAL (
      SELECT position, recorded_ms, envelope FROM (
        SELECT position, recorded_ms, envelope, sum(pg_column_size(envelope)) OVER (ORDER BY position) AS bytes,
               row_number() OVER (ORDER BY position) AS n
          FROM (SELECT position, recorded_ms, envelope FROM es.events
                 WHERE position > $1::bigint AND position <= $2::bigint AND ($3::text[] IS NULL OR category = ANY ($3::text[]))
                 ORDER BY position LIMIT $4::bigint) page
      ) sized WHERE n = 1 OR bytes <= $5::bigint
    ) e ON true ORDER BY e.position`;

/**
 * The event log in Postgres: see migrations/0001_event_store.sql for the invariants. Appends go through a group
 * committer on its own connection, reads through a pool, wake-ups of subscriptions through a listening connection.
 */
export class PostgresEventStore implements EventStore {
  readonly capabilities: Capabilities = {
    adapter: 'postgres',
    densePositions: true,
    nativeChain: true,
    uniqueIds: true,
  };
  private readonly pool: pg.Pool;
  private readonly committer: GroupCommitter;
  private readonly listener: AppendListener;
  private readonly closed = new AbortController();
  private readonly timers: Timers;
  private readonly random: Pick<Random, 'unit'>;
  private readonly log: Log;

  constructor(options: PostgresEventStoreOptions) {
    this.timers = options.timers ?? systemTimers;
    this.random = options.random ?? systemRandom;
    this.log = options.log ?? silentLog;
    const { connection } = options;
    const shared = { connection, timers: this.timers, random: this.random, log: this.log };
    this.committer = new GroupCommitter({
      ...shared,
      clock: options.clock ?? systemClock,
      patienceMs: options.patienceMs ?? 5_000,
    });
    this.listener = new AppendListener({ ...shared, pollMs: options.pollMs ?? 1_000 });
    this.pool = new pg.Pool({
      ...connection,
      application_name: 'drover-reader',
      max: options.readers ?? 8,
      // Covers the wait for a free reader too: a burst of readers is not an outage.
      connectionTimeoutMillis: 30_000,
    });
    this.pool.on('error', (error) => this.log.debug({ error: error.message }, 'event store: an idle reader was lost'));
  }

  async append(request: AppendRequest): Promise<AppendOutcome> {
    return this.committer.append(prepareAppend(request));
  }

  async *readStream(stream: string, fromVersion = 1): AsyncIterable<RecordedEvent> {
    for (let next = fromVersion; ;) {
      const rows = await this.read<EventRow>('es_read_stream', READ_STREAM, [stream, next, STREAM_PAGE]);
      await failpoint('stream.page_read');
      for (const row of rows) yield recordedEvent(row);
      if (rows.length < STREAM_PAGE) return;
      next += rows.length;
    }
  }

  async readAll(after: Position, options: ReadAllOptions): Promise<Batch> {
    const end = options.categories === undefined ? MAX_BIGINT : after + BigInt(READ_WINDOW);
    const values = [String(after), String(end), options.categories ?? null, options.limit, BATCH_BYTES];
    const rows = await this.read<EventRow & { head: string }>('es_read_all', READ_ALL, values);
    const head = BigInt(rows[0]?.head ?? 0);
    const events = rows.filter((row) => row.position !== null).map(recordedEvent);
    const bytes = rows.reduce((sum, row) => sum + (row.envelope?.length ?? 0), 0);
    const last = events.at(-1)?.position ?? after;
    // Nothing was left out up to the head (or the end of the window) unless the page was cut short.
    const cut = events.length >= options.limit || bytes > BATCH_BYTES / 4;
    const seen = cut ? last : max(last, head < end ? head : end);
    return { events, through: position(max(seen, after)) };
  }

  async *subscribe(after: Position, options: SubscribeOptions): AsyncIterable<Batch> {
    const ended = () => options.signal.aborted || this.closed.signal.aborted;
    const wanted = { limit: options.batchSize ?? 500, ...(options.categories && { categories: options.categories }) };
    let cursor = after;
    for (let failures = 0; !ended();) {
      const mark = this.listener.mark();
      let batch: Batch;
      try {
        batch = await this.readAll(cursor, wanted);
        failures = 0;
      } catch (error) {
        if (!(error instanceof EventStoreUnavailableError)) throw error;
        if (failures++ === 0)
          this.log.warn({ error: errorMessage(error) }, 'event store: a subscription waits for the server');
        await sleep(
          this.timers,
          backoffMs(failures, () => this.random.unit(), 50, 2_000),
          options.signal,
        );
        continue;
      }
      if (ended()) return;
      if (batch.through > cursor) {
        cursor = batch.through;
        await failpoint('subscription.batch_read');
        yield batch;
      } else {
        await this.listener.changedSince(mark, options.signal);
      }
    }
  }

  async head(): Promise<Position> {
    const rows = await this.read<{ position: string }>('es_head', 'SELECT position FROM es.log_head', []);
    return position(rows[0]!.position);
  }

  async close(): Promise<void> {
    if (this.closed.signal.aborted) return;
    this.closed.abort();
    await this.committer.close();
    await this.listener.close();
    await this.pool.end();
  }

  private async read<R extends pg.QueryResultRow>(name: string, text: string, values: unknown[]): Promise<R[]> {
    if (this.closed.signal.aborted) throw new EventStoreUnavailableError('the event store is closed');
    try {
      return (await this.pool.query<R>({ name, text, values })).rows;
    } catch (error) {
      if (classify(error) === 'rejected') throw error;
      throw unavailable('read', error);
    }
  }
}

const READ_STREAM =
  'SELECT position, recorded_ms, envelope FROM es.events WHERE stream = $1 AND version >= $2::bigint ORDER BY version LIMIT $3::bigint';
const MAX_BIGINT = 2n ** 63n - 1n;
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
