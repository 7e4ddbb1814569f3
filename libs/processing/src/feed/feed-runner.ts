import { sleep, type Clock, type EventCatalogue, type Log, type Timers } from '#kernel';
import { START, type Batch, type EventStore, type Position, type RecordedEvent } from '#event-store';
import { KeyedQueue } from '../keyed-queue.js';
import { Chase, readable, type Join } from './chase.js';
import { current, FencedError, type Fault, type FaultStore, type Lane } from './lane.js';

export interface FeedOptions<L extends Lane> {
  readonly store: EventStore;
  readonly catalogue: EventCatalogue;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly timers: Timers;
  /** Uniform in [0, 1): jitter of retries. */
  readonly random: () => number;
  readonly log: Log;
  readonly faults: FaultStore;
  /** After a lane moved. */
  readonly moved: (lane: L) => void;
  /** A lane that was behind joins the live feed; called between two batches. False when it cannot now. */
  readonly joining?: (lane: L) => Promise<boolean>;
  /** Moves lanes that a batch does not concern, together. */
  readonly advance?: (lanes: readonly L[], through: Position) => Promise<void>;
  /** Sees every event of the live feed, as it is stored, before the lanes do. */
  readonly seen?: (events: readonly RecordedEvent[]) => void;
  /** Whether a batch does not concern a lane. */
  readonly ignores?: (lane: L, events: readonly RecordedEvent[]) => boolean;
}

const LIVE_BATCH = 500;
/** Meanwhile the feed goes on: each try holds it up. */
const JOIN_AGAIN_MS = 300;

/**
 * One ordered subscription, fanned out to lanes. Lanes that keep up share its batches; one that is far behind, or that
 * met an event it cannot apply, reads on its own until it has caught up, and holds nobody up meanwhile.
 */
export class FeedRunner<L extends Lane> {
  private live: L[] = [];
  /** Live lanes are at or beyond this; only batches after it will be delivered to them. */
  private cursor: Position = START;
  private readonly faulted = new Map<string, Fault>();
  private readonly chasing = new Set<Promise<void>>();
  private readonly retired = new WeakSet<L>();
  private readonly turns = new KeyedQueue();
  private readonly stopping = new AbortController();
  private failure: unknown;

  constructor(private readonly options: FeedOptions<L>) {}

  /**
   * Runs until the signal aborts; throws when fenced or when the store is gone for good. The live feed begins where the
   * live lanes are; without any, at `head`.
   */
  async run(live: readonly L[], behind: readonly L[], head: Position, signal: AbortSignal): Promise<void> {
    const stop = () => this.stopping.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      this.live = [...live];
      this.cursor = live.length === 0 ? head : minPosition(live);
      for (const lane of behind) this.chase(lane);
      const subscription = { signal: this.stopping.signal, batchSize: LIVE_BATCH };
      for await (const batch of this.options.store.subscribe(this.cursor, subscription)) {
        await this.turns.run('turn', () => this.deliver(batch));
        if (this.stopping.signal.aborted) break;
      }
    } finally {
      stop();
      signal.removeEventListener('abort', stop);
      await Promise.all(this.chasing);
    }
    if (this.failure !== undefined) throw this.failure;
  }

  /** Lets a lane catch up on its own and then join. */
  chase(lane: L): void {
    const chase = this.catchUp(lane).catch((error: unknown) => this.fail(error));
    this.chasing.add(chase);
    void chase.finally(() => this.chasing.delete(chase));
  }

  /** Takes lanes out for good, whether live or behind: their tables are being replaced. */
  retire(lanes: readonly L[]): void {
    for (const lane of lanes) {
      this.retired.add(lane);
      this.faulted.delete(lane.name);
    }
    this.live = this.live.filter((lane) => !this.retired.has(lane));
  }

  get faults(): readonly Fault[] {
    return [...this.faulted.values()];
  }

  isLive(lane: L): boolean {
    return this.live.includes(lane);
  }

  private fail(error: unknown): void {
    this.failure ??= error;
    this.stopping.abort();
  }

  private async deliver(batch: Batch): Promise<void> {
    const { ignores, advance } = this.options;
    this.options.seen?.(batch.events);
    const events = this.upcast(batch.events);
    this.cursor = batch.through;
    const due = this.live.filter((lane) => lane.position < batch.through);
    const idle = ignores === undefined || events === undefined ? [] : due.filter((lane) => ignores(lane, events));
    const busy = due.filter((lane) => !idle.includes(lane));
    const skip = async () => {
      if (idle.length === 0) return;
      await advance!(idle, batch.through);
      for (const lane of idle) this.options.moved(lane);
    };
    await Promise.all([
      this.guard(idle, skip),
      ...busy.map((lane) =>
        this.guard([lane], async () => {
          if (events === undefined) throw new Error('the batch holds an event that this build does not know');
          await lane.apply(events, batch.through);
          this.options.moved(lane);
        }),
      ),
    ]);
  }

  /** A lane that fails leaves the live feed and goes on alone; the others are not touched. */
  private async guard(lanes: readonly L[], work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof FencedError) return this.fail(error);
      // Whatever it was, each lane meets it again on its own, where it becomes that lane's fault.
      this.live = this.live.filter((lane) => !lanes.includes(lane));
      for (const lane of lanes) this.chase(lane);
    }
  }

  private upcast(events: readonly RecordedEvent[]): readonly RecordedEvent[] | undefined {
    try {
      return events.map((event) => current(event, this.options.catalogue));
    } catch {
      // Each lane meets the event again on its own, where it becomes that lane's fault.
      return undefined;
    }
  }

  private async catchUp(lane: L): Promise<void> {
    const chase = new Chase(lane, this.options, (fault) =>
      fault === undefined ? this.faulted.delete(lane.name) : this.faulted.set(lane.name, fault),
    );
    const { signal } = this.stopping;
    try {
      while (!signal.aborted && !this.retired.has(lane)) {
        const step = await chase.step(() => this.turns.run('turn', () => this.join(lane)));
        if (step === 'joined') return;
        if (step !== 'moved') await sleep(this.options.timers, step.waitMs, signal);
      }
    } catch (error) {
      // Its table may have been dropped under it by then.
      if (!this.retired.has(lane)) throw error;
    }
    if (this.retired.has(lane)) this.faulted.delete(lane.name);
  }

  /** Between two batches: whoever is not behind now gets every later batch. What came while it read its last page is made up here. */
  private async join(lane: L): Promise<Join> {
    if (this.stopping.signal.aborted || this.retired.has(lane)) return false;
    if (lane.position < this.cursor) {
      const { store, catalogue } = this.options;
      const { events, through } = await store.readAll(lane.position, { limit: LIVE_BATCH });
      await lane.apply(readable(events, lane, catalogue), through);
    }
    if (lane.position < this.cursor) return false;
    if ((await this.options.joining?.(lane)) === false) return { waitMs: JOIN_AGAIN_MS };
    this.live.push(lane);
    this.options.moved(lane);
    return true;
  }
}

const minPosition = (lanes: readonly Lane[]): Position =>
  lanes.reduce((least, lane) => (lane.position < least ? lane.position : least), lanes[0]!.position);
