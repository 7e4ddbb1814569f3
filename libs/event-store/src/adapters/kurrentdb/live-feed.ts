import type { Timers } from '#kernel';
import { position, type Batch, type Position, type SubscribeOptions } from '../../port.js';
import { commitOf, placeOf, positionOf, recordedEvent } from './codec.js';
import { isCancelledByUs, rejection, unavailable } from './failures.js';
import { Inbox, type Taken } from './inbox.js';
import type { Reader } from './reader.js';

const DEFAULT_BATCH = 500;

/** A catch-up subscription to $all, filtered by the server: the past, then what comes, each event once and in order. */
export class LiveFeed {
  constructor(
    private readonly reader: Reader,
    private readonly options: SubscribeOptions,
    private readonly timers: Timers,
    private readonly idleMs: number,
  ) {}

  /** Ends on abort. @throws EventStoreUnavailableError when the connection breaks: go on after the last batch. */
  async *from(after: Position): AsyncIterable<Batch> {
    const { signal, categories } = this.options;
    let cursor = after;
    if (isBeforeEvent(after)) {
      const first = await this.look(after);
      if (first.through > after) yield first;
      cursor = first.through;
    }
    const inbox = await this.open(cursor);
    if (inbox === undefined) return;
    try {
      while (!signal.aborted) {
        const taken = await inbox.take(this.idleMs);
        if (taken === undefined) return;
        // Checkpoints come after so many records; until then only a look tells that nothing was left out.
        const mustLook = categories !== undefined && taken.events.length === 0 && taken.checkpoint === undefined;
        const batch = mustLook ? await this.look(cursor) : this.batchOf(taken, cursor);
        if (signal.aborted || batch.through <= cursor) continue;
        cursor = batch.through;
        yield batch;
      }
    } catch (error) {
      if (signal.aborted && isCancelledByUs(error)) return;
      throw this.failure(error);
    } finally {
      inbox.close();
    }
  }

  private look(after: Position): Promise<Batch> {
    const { categories, batchSize } = this.options;
    return this.reader.all(after, { limit: batchSize ?? DEFAULT_BATCH, ...(categories && { categories }) });
  }

  private async open(after: Position): Promise<Inbox | undefined> {
    const { reader, options } = this;
    const { signal } = options;
    try {
      const call = await reader.connection.read(
        reader.requests.subscription(commitOf(after), reader.prefixes(options.categories)),
      );
      return new Inbox(call, options.batchSize ?? DEFAULT_BATCH, this.timers, signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      throw this.failure(error);
    }
  }

  /**
   * A checkpoint may stand at a record that is not of this log. What is given out instead is the last event known to
   * stand before it: the server resumes from there as well, and a reader who has come that far has come to the head.
   */
  private batchOf({ events, checkpoint }: Taken, cursor: Position): Batch {
    const fresh = events.filter((raw) => positionOf(raw) > cursor);
    for (const raw of fresh) this.reader.horizon.see(raw);
    const last = fresh.length === 0 ? cursor : positionOf(fresh.at(-1)!);
    const known = this.reader.horizon.position;
    const through = checkpoint !== undefined && known <= placeOf(checkpoint) && known > last ? known : last;
    return { events: fresh.map((raw) => recordedEvent(raw, this.reader.namespace)), through: position(through) };
  }

  private failure(error: unknown): Error {
    const { address } = this.reader.connection;
    if (error instanceof Error && error.constructor === Error && !('code' in error) && !isEnd(error)) return error;
    return rejection(error, '$all', address) ?? unavailable(error, address);
  }
}

/** A subscription begins after a record; only a read begins with one. */
const isBeforeEvent = (after: Position): boolean => after > 0n && after % 2n === 0n;

const isEnd = (error: Error): boolean => error.message === 'the server ended the subscription';
