import { categoryOf, isoTime, type Clock } from '#kernel';
import {
  EventStoreUnavailableError,
  position,
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
import { checkAppend, expectationHolds, idReused } from '../../append-rules.js';
import { asStored, Waiters } from '../../in-memory.js';

/** The whole log in an array: unit tests and the simulator. Same rules as the durable adapters. */
export class MemoryEventStore implements EventStore {
  readonly capabilities: Capabilities = {
    adapter: 'memory',
    densePositions: true,
    nativeChain: false,
    uniqueIds: true,
  };
  private readonly log: RecordedEvent[] = [];
  private readonly streams = new Map<string, RecordedEvent[]>();
  private readonly byId = new Map<string, RecordedEvent>();
  private readonly waiters = new Waiters();
  private lastRecordedMs = 0;
  private closed = false;

  constructor(private readonly clock: Pick<Clock, 'wallMs'>) {}

  async append(request: AppendRequest): Promise<AppendOutcome> {
    this.mustBeOpen();
    const payloads = checkAppend(request);
    const existing = this.streams.get(request.stream) ?? [];
    const known = request.events.map((e) => this.byId.get(e.id)).filter((e) => e?.stream === request.stream);
    if (known.length === request.events.length) {
      const last = known.at(-1)!;
      return { kind: 'duplicate', version: last.version, position: last.position };
    }
    if (!expectationHolds(request.expected, existing.length)) return { kind: 'conflict', actual: existing.length };
    if (request.events.some((e) => this.byId.has(e.id))) throw idReused(request.stream);
    this.lastRecordedMs = Math.max(this.lastRecordedMs, this.clock.wallMs());
    for (const [index, event] of request.events.entries()) {
      const recorded: RecordedEvent = Object.freeze({
        ...asStored(event, payloads[index]!),
        stream: request.stream,
        version: existing.length + 1,
        position: position(this.log.length + 1),
        recordedAt: isoTime(this.lastRecordedMs),
      });
      existing.push(recorded);
      this.log.push(recorded);
      this.byId.set(event.id, recorded);
    }
    this.streams.set(request.stream, existing);
    this.waiters.wakeAll();
    return { kind: 'appended', version: existing.length, position: position(this.log.length) };
  }

  async *readStream(stream: string, fromVersion = 1): AsyncIterable<RecordedEvent> {
    this.mustBeOpen();
    yield* (this.streams.get(stream) ?? []).slice(fromVersion - 1);
  }

  async readAll(after: Position, options: ReadAllOptions): Promise<Batch> {
    this.mustBeOpen();
    const events: RecordedEvent[] = [];
    let index = Number(after);
    for (; index < this.log.length && events.length < options.limit; index++) {
      const event = this.log[index]!;
      if (options.categories === undefined || options.categories.includes(categoryOf(event.stream))) events.push(event);
    }
    return { events, through: position(Math.max(index, Number(after))) };
  }

  async *subscribe(after: Position, options: SubscribeOptions): AsyncIterable<Batch> {
    let cursor = after;
    while (!options.signal.aborted && !this.closed) {
      const batch = await this.readAll(cursor, { limit: options.batchSize ?? 500, categories: options.categories });
      if (batch.through > cursor) {
        cursor = batch.through;
        yield batch;
      } else {
        await this.waiters.changed(options.signal, () => this.closed || this.log.length > Number(cursor));
      }
    }
  }

  async head(): Promise<Position> {
    return this.log.length === 0 ? START : position(this.log.length);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.waiters.wakeAll();
  }

  private mustBeOpen(): void {
    if (this.closed) throw new EventStoreUnavailableError('the event store is closed');
  }
}
