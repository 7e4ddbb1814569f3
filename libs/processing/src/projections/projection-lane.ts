import { failpoint } from '#kernel';
import { position, START, type Position, type RecordedEvent } from '#event-store';
import { FencedError, type Lane } from '../feed/lane.js';
import { BuildBuffer } from './build-buffer.js';
import { foldTouches, keysOf, touchesOf, type BatchChange, type StoredDoc, type Touch } from './fold-batch.js';
import type { ProjectionTable, ReadModelStore } from './read-model-store.js';

/** Positions that a projection's version is to pass without folding, as ordered so far. */
export type Skips = () => ReadonlySet<bigint>;
/** Told of each batch that touches a projection that is read: see ProcessingHostOptions. */
export type ProjectionWatch = (projection: string) => (events: readonly RecordedEvent[]) => void;
const NOTHING: ReadonlySet<bigint> = new Set();

/**
 * One table of a projection on the feed. One that is read: load what the batch touches, fold, write it and the checkpoint
 * together. One that is being built: the same over many batches at once, see BuildBuffer.
 */
export class ProjectionLane implements Lane {
  private at: Position;
  private committed: Position;
  private current: ProjectionTable;
  private readonly honoured: Set<bigint>;
  private buffer: BuildBuffer | undefined;
  private unwritten: Position[] = [];
  /** A buffer could not be written: until here batches are written one by one, to find out which. */
  private carefulUntil: Position = START;
  private isPrepared = false;

  constructor(
    private readonly store: ReadModelStore,
    table: ProjectionTable,
    private readonly epoch: number,
    private readonly skips: Skips = () => NOTHING,
    private readonly projecting?: ProjectionWatch,
  ) {
    this.current = table;
    this.at = this.committed = table.position;
    this.honoured = new Set(table.skipped);
  }

  get name(): string {
    return `projection:${this.current.table}`;
  }

  get position(): Position {
    return this.at;
  }

  get table(): ProjectionTable {
    return this.current;
  }

  /** Whether the events change nothing here, so that only the checkpoint moves. */
  ignores(events: readonly RecordedEvent[]): boolean {
    try {
      return events.every((e) => e.position <= this.at || (!this.skip(e) && this.keys(e).length === 0));
    } catch {
      // An event that the projection cannot even look at: `apply` meets it too, where it becomes this lane's fault.
      return false;
    }
  }

  /** To be passed without being looked at, not even at its type. */
  skip(event: Pick<RecordedEvent, 'position'>): boolean {
    return this.skips().has(event.position);
  }

  /** Whether an event has been folded that is to be skipped: only another table can put that right. */
  get foldedTooMuch(): boolean {
    return [...this.skips()].some((skipped) => skipped <= this.at && !this.honoured.has(skipped));
  }

  /** The checkpoint has been moved together with others' (see ReadModelStore.advance). */
  moved(to: Position): void {
    this.at = this.committed = position(to);
  }

  async apply(events: readonly RecordedEvent[], through: Position): Promise<void> {
    const fresh = events.filter((event) => event.position > this.at);
    const skipped = fresh.filter((event) => this.skip(event)).map((event) => event.position);
    const folded = skipped.length === 0 ? fresh : fresh.filter((event) => !this.skip(event));
    const touches = touchesOf(this.current.projection, folded);
    if (this.current.state === 'building' && this.at >= this.carefulUntil) {
      await this.collect(touches, skipped, fresh.length, through);
    } else {
      await this.flush();
      await this.write(touches, skipped, through);
    }
    for (const one of skipped) this.honoured.add(one);
  }

  /** Makes a table that is being built fit to be read, while nobody waits for it. */
  async prepare(): Promise<void> {
    if (this.current.state === 'active') return;
    await this.flush();
    if (!this.isPrepared) await this.store.prepare(this.current);
    this.isPrepared = true;
  }

  /** False when the table that is read cannot be let go now. */
  async activate(): Promise<boolean> {
    await this.flush();
    await failpoint('projection.switching');
    const active = await this.store.activate(this.current, this.epoch);
    if (active === undefined) return false;
    await failpoint('projection.switched');
    this.current = active;
    this.buffer = undefined;
    return true;
  }

  private keys(event: RecordedEvent): readonly string[] {
    return this.current.projection.keys(event);
  }

  private async write(touches: readonly Touch[], skipped: readonly Position[], through: Position): Promise<void> {
    if (touches.length === 0 && skipped.length === 0) {
      await this.store.advance([this.current], through, this.epoch);
    } else {
      const written = this.projecting?.(this.current.projection.name);
      const loaded = await this.store.load(this.current, keysOf(touches));
      const change = { ...foldTouches(this.current.projection, touches, loaded), skipped };
      await failpoint('projection.folded');
      await this.store.commit(this.current, change, this.at, through, this.epoch);
      await failpoint('projection.committed');
      written?.(touches.map(({ event }) => event));
    }
    this.at = this.committed = through;
  }

  private async collect(
    touches: readonly Touch[],
    skipped: readonly Position[],
    events: number,
    through: Position,
  ): Promise<void> {
    this.buffer ??= new BuildBuffer(this.committed === START);
    if (this.buffer.isFull) await this.flush();
    const loaded = new Map<string, StoredDoc>();
    const missing = this.buffer.take(keysOf(touches), loaded);
    if (missing.length > 0) for (const [key, row] of await this.store.load(this.current, missing)) loaded.set(key, row);
    this.buffer.add(foldTouches(this.current.projection, touches, loaded), events);
    this.unwritten.push(...skipped);
    this.at = through;
  }

  /** All that was collected, with the checkpoint, in one transaction. */
  private async flush(): Promise<void> {
    const { buffer, at, committed } = this;
    if (buffer === undefined || at === committed) return;
    const change: BatchChange = { ...buffer.pending(), skipped: this.unwritten };
    try {
      await failpoint('projection.folded');
      const texts = await this.store.commit(this.current, change, committed, at, this.epoch);
      await failpoint('projection.committed');
      buffer.written(texts);
      this.unwritten = [];
      this.committed = at;
    } catch (error) {
      if (!(error instanceof FencedError)) this.startOver(at);
      throw error;
    }
  }

  /** Back to what is durable. What could not be written is written batch by batch, so that a fault names its event. */
  private startOver(failedAt: Position): void {
    for (const one of this.unwritten) this.honoured.delete(one);
    this.unwritten = [];
    this.buffer = undefined;
    this.carefulUntil = failedAt;
    this.at = this.committed;
  }
}
