import { categoryOf, isoTime, type Clock } from '#kernel';
import { checkAppend, expectationHolds, idReused, type Payload } from '../append-rules.js';
import { asStored, Waiters } from '../in-memory.js';
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
} from '../port.js';

/** The half of a store that cannot change it. */
export type ReadableLog = Pick<EventStore, 'readStream' | 'readAll' | 'capabilities'>;

/** Closures over the reads of a store: who holds this has no way to its `append`, not even by a cast. */
export const readingHalf = (store: EventStore): ReadableLog =>
  Object.freeze({
    capabilities: store.capabilities,
    readStream: (stream: string, fromVersion?: number) => store.readStream(stream, fromVersion),
    readAll: (after: Position, options: ReadAllOptions) => store.readAll(after, options),
  });

interface Known {
  readonly version: number;
  readonly position: Position;
}
interface ForkedStream {
  readonly inherited: number;
  readonly ids: Map<string, Known>;
  readonly own: RecordedEvent[];
}

/**
 * A log that goes its own way from a position of another: reads see that one up to `forkedAt`, appends stay here, in memory.
 * Same rules as every adapter, with one exception: that an id stands in another stream of the inherited part is not noticed.
 */
export class ForkEventStore implements EventStore {
  readonly capabilities: Capabilities;
  private readonly log: RecordedEvent[] = [];
  private readonly streams = new Map<string, Promise<ForkedStream>>();
  private readonly ids = new Set<string>();
  private readonly waiters = new Waiters();
  private readonly listeners = new Set<(events: readonly RecordedEvent[]) => void>();
  private lastRecordedMs = 0;
  private closed = false;

  constructor(
    private readonly base: ReadableLog,
    private from: Position,
    private readonly clock: Pick<Clock, 'wallMs'>,
  ) {
    this.capabilities = { ...base.capabilities, adapter: 'memory', nativeChain: false };
  }

  /** Up to here everything is inherited. */
  get forkedAt(): Position {
    return this.from;
  }

  /** Forks at a later position, as long as nothing was written here. */
  forkAt(later: Position): void {
    if (this.streams.size > 0 || later < this.from) throw new Error(`a fork that is used cannot be moved to ${later}`);
    this.from = later;
    this.waiters.wakeAll();
  }

  /** Everything that was appended here, in order. */
  get appended(): readonly RecordedEvent[] {
    return this.log;
  }

  /** Called within the append, before it answers. Must not throw. */
  onAppended(listener: (events: readonly RecordedEvent[]) => void): void {
    this.listeners.add(listener);
  }

  async append(request: AppendRequest): Promise<AppendOutcome> {
    this.mustBeOpen();
    const payloads = checkAppend(request);
    const stream = await this.stream(request.stream);
    const version = stream.inherited + stream.own.length;
    const known = request.events.map((event) => stream.ids.get(event.id)).filter((one) => one !== undefined);
    if (known.length === request.events.length) return { kind: 'duplicate', ...known.at(-1)! };
    if (!expectationHolds(request.expected, version)) return { kind: 'conflict', actual: version };
    if (known.length > 0 || request.events.some((e) => this.ids.has(e.id))) throw idReused(request.stream);
    const recorded = this.record(request, payloads, stream);
    for (const listener of this.listeners) listener(recorded);
    this.waiters.wakeAll();
    const last = recorded.at(-1)!;
    return { kind: 'appended', version: last.version, position: last.position };
  }

  async *readStream(stream: string, fromVersion = 1): AsyncIterable<RecordedEvent> {
    this.mustBeOpen();
    for await (const event of this.base.readStream(stream, fromVersion)) {
      if (event.position > this.forkedAt) break;
      yield event;
    }
    const known = await this.streams.get(stream);
    if (known !== undefined) yield* known.own.filter((event) => event.version >= fromVersion);
  }

  async readAll(after: Position, options: ReadAllOptions): Promise<Batch> {
    this.mustBeOpen();
    if (after < this.forkedAt) {
      const { events, through } = await this.base.readAll(after, options);
      const inherited = events.filter((event) => event.position <= this.forkedAt);
      const reached = through > this.forkedAt ? this.forkedAt : through;
      if (reached > after || inherited.length > 0) return { events: inherited, through: reached };
    }
    const from = after > this.forkedAt ? Number(after - this.forkedAt) : 0;
    const events: RecordedEvent[] = [];
    let index = from;
    for (; index < this.log.length && events.length < options.limit; index++) {
      const event = this.log[index]!;
      if (options.categories === undefined || options.categories.includes(categoryOf(event.stream))) events.push(event);
    }
    const end = position(this.forkedAt + BigInt(index));
    return { events, through: end > after ? end : after };
  }

  async *subscribe(after: Position, options: SubscribeOptions): AsyncIterable<Batch> {
    const { signal, batchSize = 500, categories } = options;
    for (let cursor = after; !signal.aborted && !this.closed;) {
      const batch = await this.readAll(cursor, { limit: batchSize, ...(categories && { categories }) });
      if (batch.through > cursor) {
        cursor = batch.through;
        yield batch;
      } else if (cursor >= this.end) await this.waiters.changed(signal, () => this.closed || this.end > cursor);
    }
  }

  async head(): Promise<Position> {
    return this.end;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.waiters.wakeAll();
  }

  private get end(): Position {
    return position(this.forkedAt + BigInt(this.log.length));
  }

  private mustBeOpen(): void {
    if (this.closed) throw new EventStoreUnavailableError('the fork is closed');
  }

  private record(request: AppendRequest, payloads: readonly Payload[], stream: ForkedStream): RecordedEvent[] {
    this.lastRecordedMs = Math.max(this.lastRecordedMs, this.clock.wallMs());
    return request.events.map((event, index) => {
      const recorded: RecordedEvent = Object.freeze({
        ...asStored(event, payloads[index]!),
        stream: request.stream,
        version: stream.inherited + stream.own.length + 1,
        position: position(this.forkedAt + BigInt(this.log.length + 1)),
        recordedAt: isoTime(this.lastRecordedMs),
      });
      stream.own.push(recorded);
      stream.ids.set(event.id, { version: recorded.version, position: recorded.position });
      this.ids.add(event.id);
      this.log.push(recorded);
      return recorded;
    });
  }

  /** Read once, when somebody first writes to the stream: a retry of an inherited command must be recognised. */
  private stream(name: string): Promise<ForkedStream> {
    let stream = this.streams.get(name);
    if (stream === undefined) this.streams.set(name, (stream = this.inherit(name)));
    return stream;
  }

  private async inherit(name: string): Promise<ForkedStream> {
    const ids = new Map<string, Known>();
    let inherited = 0;
    for await (const event of this.base.readStream(name)) {
      if (event.position > this.forkedAt) break;
      ids.set(event.id, { version: event.version, position: event.position });
      inherited = event.version;
    }
    return { inherited, ids, own: [] };
  }
}
