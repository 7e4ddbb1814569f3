import {
  backoffMs,
  errorMessage,
  silentLog,
  sleep,
  systemClock,
  systemIds,
  systemRandom,
  systemTimers,
  type Clock,
  type Ids,
  type Log,
  type Random,
  type Timers,
} from '#kernel';
import {
  EventStoreUnavailableError,
  START,
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
import { Appender } from './appender.js';
import { KurrentConnection, loadLibrary } from './client.js';
import { recordedEvent } from './codec.js';
import { parseAddress } from './connection-string.js';
import { KnownIds } from './known-ids.js';
import { LiveFeed } from './live-feed.js';
import { appendLimitBelow, logIdentity } from './log-identity.js';
import { Reader } from './reader.js';

export interface KurrentEventStoreOptions {
  /** The connection string: hosts, credentials, TLS. */
  readonly url: string;
  /** Letters, digits and underscores; its streams are `<namespace>.<stream>` on the server. Default `drover`. */
  readonly namespace?: string;
  readonly clock?: Pick<Clock, 'monotonicMs'>;
  readonly timers?: Timers;
  readonly random?: Pick<Random, 'unit'>;
  readonly ids?: Ids;
  readonly log?: Log;
  /** How long an append or a read waits for a lost server to come back, in milliseconds; default 5,000. */
  readonly patienceMs?: number;
  /** How long one call may take, in milliseconds; default 10,000. */
  readonly deadlineMs?: number;
  /** A filtered subscription that gets nothing looks for itself after this long, in milliseconds; default 1,000. */
  readonly idleMs?: number;
}

const STREAM_PAGE = 500;
const PATIENCE_MS = 5_000;
/** For who asks whether the log is there at all. */
const LOOK_PATIENCE_MS = 1_000;

/**
 * The event log on KurrentDB (EventStoreDB): what it does not promise as the port wants it, this adapter makes good. See
 * docs/runbooks/kurrentdb.md for what the server must allow, and docs/decisions for why reads do not use the client's own.
 */
export class KurrentEventStore implements EventStore {
  readonly capabilities: Capabilities = {
    adapter: 'kurrentdb',
    densePositions: false,
    nativeChain: false,
    uniqueIds: false,
  };
  private readonly reader: Reader;
  private readonly appender: Appender;
  private readonly known = new KnownIds();
  private readonly closed = new AbortController();
  private readonly clock: Pick<Clock, 'monotonicMs'>;
  private readonly timers: Timers;
  private readonly random: Pick<Random, 'unit'>;
  private readonly log: Log;
  private readonly patienceMs: number;

  /** @throws ConfigError for a malformed string or a missing client. Does not connect; `head()` does. */
  static async open(options: KurrentEventStoreOptions): Promise<KurrentEventStore> {
    const address = parseAddress(options.url);
    return new KurrentEventStore(options, new KurrentConnection(await loadLibrary(), address));
  }

  private constructor(
    private readonly options: KurrentEventStoreOptions,
    private readonly connection: KurrentConnection,
  ) {
    this.clock = options.clock ?? systemClock;
    this.timers = options.timers ?? systemTimers;
    this.random = options.random ?? systemRandom;
    this.log = options.log ?? silentLog;
    this.patienceMs = options.patienceMs ?? PATIENCE_MS;
    const deadlineMs = options.deadlineMs ?? 10_000;
    this.reader = new Reader(connection, `${options.namespace ?? 'drover'}.`, deadlineMs);
    this.appender = new Appender({
      reader: this.reader,
      ids: this.known,
      clock: this.clock,
      timers: this.timers,
      random: this.random,
      writer: (options.ids ?? systemIds).uuid().slice(0, 13),
      patienceMs: this.patienceMs,
      deadlineMs,
    });
  }

  /** Hosts and ports; no password. */
  get where(): string {
    return this.connection.address.where;
  }

  /** The client sends credentials over TLS only, and drops them in silence without. */
  get ignoresCredentials(): boolean {
    const { tls, credentials } = this.connection.address;
    return !tls && credentials !== undefined;
  }

  async append(request: AppendRequest): Promise<AppendOutcome> {
    this.mustBeOpen();
    return this.appender.append(request);
  }

  async *readStream(stream: string, fromVersion = 1): AsyncIterable<RecordedEvent> {
    for (let next = fromVersion; ;) {
      const { events, isLast } = await this.patiently(() => this.reader.streamPage(stream, next - 1, STREAM_PAGE));
      this.known.learn(this.known.of(stream), events);
      for (const raw of events) yield recordedEvent(raw, this.reader.namespace);
      if (isLast) return;
      next += events.length;
    }
  }

  async readAll(after: Position, options: ReadAllOptions): Promise<Batch> {
    return this.patiently(() => this.reader.all(after, options));
  }

  async *subscribe(after: Position, options: SubscribeOptions): AsyncIterable<Batch> {
    const signal = AbortSignal.any([options.signal, this.closed.signal]);
    const feed = new LiveFeed(this.reader, { ...options, signal }, this.timers, this.options.idleMs ?? 1_000);
    let cursor = after;
    for (let failures = 0; !signal.aborted;) {
      try {
        for await (const batch of feed.from(cursor)) {
          failures = 0;
          cursor = batch.through;
          yield batch;
        }
      } catch (error) {
        if (!(error instanceof EventStoreUnavailableError)) throw error;
        if (failures++ === 0)
          this.log.warn({ error: errorMessage(error) }, 'event store: a subscription waits for the server');
        await sleep(
          this.timers,
          backoffMs(failures, () => this.random.unit(), 50, 2_000),
          signal,
        );
      }
    }
  }

  async readBackwards(before: Position | undefined, limit: number): Promise<readonly RecordedEvent[]> {
    return before === START ? [] : this.patiently(() => this.reader.backwards(before, limit));
  }

  /** Names the log itself, so that a database knows the log that its read models were made from. */
  async identity(): Promise<string> {
    return this.patiently(() => logIdentity(this.reader, this.options.ids ?? systemIds));
  }

  /** What the server's MaxAppendSize is, when one event may be larger; undefined when all that Drover may write fits. */
  async tooSmallFor(bytes: number): Promise<number | undefined> {
    return this.patiently(() => appendLimitBelow(this.reader, bytes, this.options.ids ?? systemIds));
  }

  async head(): Promise<Position> {
    return this.patiently(() => this.reader.head(), Math.min(this.patienceMs, LOOK_PATIENCE_MS));
  }

  async close(): Promise<void> {
    if (this.closed.signal.aborted) return;
    this.closed.abort();
    await this.appender.close();
    await this.connection.close();
  }

  /** A read on a connection that broke since it was last used gets another one; a server that is down stays down. */
  private async patiently<T>(read: () => Promise<T>, patienceMs = this.patienceMs): Promise<T> {
    const deadline = this.clock.monotonicMs() + patienceMs;
    for (let tries = 0; ; tries++) {
      this.mustBeOpen();
      try {
        return await read();
      } catch (error) {
        if (!(error instanceof EventStoreUnavailableError) || this.clock.monotonicMs() >= deadline) throw error;
        await sleep(
          this.timers,
          backoffMs(tries, () => this.random.unit(), 20, 300),
          this.closed.signal,
        );
      }
    }
  }

  private mustBeOpen(): void {
    if (this.closed.signal.aborted) throw new EventStoreUnavailableError('the event store is closed');
  }
}
