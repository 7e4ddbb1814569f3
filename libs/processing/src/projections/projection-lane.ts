import { failpoint } from '#kernel';
import { position, type Position, type RecordedEvent } from '#event-store';
import type { Lane } from '../feed/lane.js';
import { foldBatch, touchedKeys } from './fold-batch.js';
import type { ProjectionTable, ReadModelStore } from './read-model-store.js';

/** One table of a projection on the feed: load what the batch touches, fold, write it and the checkpoint together. */
export class ProjectionLane implements Lane {
  private at: Position;
  private current: ProjectionTable;

  constructor(
    private readonly store: ReadModelStore,
    table: ProjectionTable,
    private readonly epoch: number,
  ) {
    this.current = table;
    this.at = table.position;
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
    return events.every((event) => event.position <= this.at || this.current.projection.keys(event).length === 0);
  }

  /** The checkpoint has been moved together with others' (see ReadModelStore.advance). */
  moved(to: Position): void {
    this.at = position(to);
  }

  async apply(events: readonly RecordedEvent[], through: Position): Promise<void> {
    const fresh = events.filter((event) => event.position > this.at);
    const keys = touchedKeys(this.current.projection, fresh);
    if (keys.length === 0) {
      await this.store.advance([this.current], through, this.epoch);
    } else {
      const loaded = await this.store.load(this.current, keys);
      const change = foldBatch(this.current.projection, fresh, loaded);
      await failpoint('projection.folded');
      await this.store.commit(this.current, change, this.at, through, this.epoch);
      await failpoint('projection.committed');
    }
    this.at = through;
  }

  async activate(): Promise<void> {
    await failpoint('projection.switching');
    const active = await this.store.activate(this.current, this.epoch);
    await failpoint('projection.switched');
    this.current = active;
  }
}
