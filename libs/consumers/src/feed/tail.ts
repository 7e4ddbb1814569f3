import { errorMessage, type Log, type Timers } from '#kernel';
import {
  EventStoreUnavailableError,
  START,
  type Batch,
  type EventStore,
  type Position,
  type RecordedEvent,
} from '#event-store';
import { isNews } from '#audit';
import { Entry } from './entry.js';

export interface TailOptions {
  readonly store: Pick<EventStore, 'subscribe' | 'head'>;
  /** An event in its current schema; as it is stored when this build does not know it. */
  readonly current: (event: RecordedEvent) => RecordedEvent;
  readonly timers: Timers;
  readonly log: Log;
  /** Of the newest events, at most this many are kept. */
  readonly maxEntries: number;
  /** Characters of their JSON, likewise. */
  readonly maxChars: number;
}

/**
 * The one reader of the log for all consumers that keep up: the newest events in a bounded ring, which consumers pull from at
 * their own pace. Whoever falls out of the ring reads the log. Runs while there is a consumer.
 */
export class Tail {
  private entries: Entry[] = [];
  private chars = 0;
  /** The ring holds all news after this position, up to and with `last`. */
  private first: Position = START;
  private last: Position = START;
  private users = 0;
  private run: { readonly stopping: AbortController; readonly started: Promise<void>; failed: boolean } | undefined;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly options: TailOptions) {}

  get through(): Position {
    return this.last;
  }

  /** For status: what the ring holds. */
  get size(): { readonly entries: number; readonly chars: number } {
    return { entries: this.entries.length, chars: this.chars };
  }

  /** To be followed by release(). Resolves when the ring is filled from the log's head on. */
  async acquire(): Promise<void> {
    this.users++;
    try {
      if (this.run === undefined || this.run.failed) this.run = this.start();
      await this.run.started;
    } catch (error) {
      this.release();
      throw error;
    }
  }

  release(): void {
    if (--this.users > 0) return;
    this.run?.stopping.abort();
    this.run = undefined;
    this.clear();
  }

  /** The entries after a position, oldest first; undefined when the ring does not reach back so far. */
  after(
    position: Position,
  ): { readonly entries: readonly Entry[]; readonly from: number; readonly through: Position } | undefined {
    if (this.run === undefined || this.run.failed) throw new EventStoreUnavailableError('the log cannot be followed');
    if (position < this.first) return undefined;
    return { entries: this.entries, from: this.indexAfter(position), through: this.last };
  }

  /** Resolves when there may be more than `position`, after `ms`, or on abort. */
  changed(position: Position, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted || this.last > position || this.run?.failed !== false) return resolve();
      const done = () => {
        cancel();
        this.waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.options.timers.after(ms, done);
      this.waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  private start() {
    const stopping = new AbortController();
    this.clear();
    const started = this.options.store.head().then((head) => {
      if (stopping.signal.aborted) return;
      this.first = head;
      this.last = head;
      void this.follow(run, head);
    });
    const run = { stopping, started, failed: false };
    started.catch(() => (run.failed = true));
    return run;
  }

  private async follow(run: NonNullable<Tail['run']>, head: Position): Promise<void> {
    const { signal } = run.stopping;
    try {
      for await (const batch of this.options.store.subscribe(head, { signal })) {
        if (signal.aborted) return;
        this.take(batch);
      }
    } catch (error) {
      this.options.log.error({ error: errorMessage(error) }, 'consumers: the log cannot be followed any more');
    }
    run.failed = true;
    this.wake();
  }

  private take(batch: Batch): void {
    for (const event of batch.events) {
      if (!isNews(event)) continue;
      const entry = new Entry(this.options.current(event));
      this.entries.push(entry);
      this.chars += entry.json.length;
    }
    this.last = batch.through;
    this.evict();
    this.wake();
  }

  private evict(): void {
    const { maxEntries, maxChars } = this.options;
    let gone = 0;
    while (this.entries.length - gone > maxEntries || this.chars > maxChars)
      this.chars -= this.entries[gone++]!.json.length;
    if (gone === 0) return;
    this.first = this.entries[gone - 1]!.position;
    // A new array: consumers may be walking the old one.
    this.entries = this.entries.slice(gone);
  }

  private clear(): void {
    this.entries = [];
    this.chars = 0;
    this.wake();
  }

  private wake(): void {
    for (const wake of [...this.waiting]) wake();
  }

  private indexAfter(position: Position): number {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle]!.position > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
