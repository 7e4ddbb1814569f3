import { errorMessage, type EventCatalogue, type Log } from '#kernel';
import type { EventStore, Position, RecordedEvent } from '#event-store';
import { readable } from '../feed/chase.js';
import { current } from '../feed/lane.js';
import type { Projection } from '../projection.js';
import { OrderBook } from './orders.js';
import { ProjectionLane } from './projection-lane.js';
import type { MemoryReadModelStore } from '../adapters/memory/memory-read-model-store.js';

/** Earlier than that of any leader, so that a host may take over what was folded here. */
const EPOCH = 0;

export interface FoldOptions {
  /** In memory, and empty. */
  readonly readModels: MemoryReadModelStore;
  readonly projections: readonly Projection[];
  readonly catalogue: EventCatalogue;
  readonly log: Log;
}

/**
 * Fills empty read models page by page, for a host that is started on them later and finds them where the fold has come to. A
 * projection that meets an event which it cannot fold stays before it; the host meets it again and says so.
 */
export class ReadModelFold {
  private readonly stuck = new Set<ProjectionLane>();

  private constructor(
    private readonly options: FoldOptions,
    private readonly lanes: readonly ProjectionLane[],
  ) {}

  static async open(store: Pick<EventStore, 'readStream'>, options: FoldOptions): Promise<ReadModelFold> {
    const { readModels, projections } = options;
    const orders = new OrderBook();
    await orders.load(store, projections);
    const lanes: ProjectionLane[] = [];
    for (const projection of projections) {
      // With the orders that it answers: else a host would obey them and fold everything once more.
      const table = await readModels.rebuild(projection, EPOCH, orders.rebuildAt(projection.name));
      lanes.push(new ProjectionLane(readModels, table, EPOCH, () => orders.skips(projection)));
    }
    return new ReadModelFold(options, lanes);
  }

  /** How many documents all read models together hold. */
  get documents(): number {
    return this.options.readModels.documents;
  }

  /** Events as they are stored, in the order of the log, without a gap. */
  async apply(events: readonly RecordedEvent[], through: Position): Promise<void> {
    const read = this.upcast(events);
    for (const lane of this.lanes) if (!this.stuck.has(lane)) await this.applyTo(lane, events, read, through);
  }

  /** Once for all; undefined when one of them can only be passed, by those who were ordered to. */
  private upcast(events: readonly RecordedEvent[]): readonly RecordedEvent[] | undefined {
    try {
      return events.map((event) => current(event, this.options.catalogue));
    } catch {
      return undefined;
    }
  }

  private async applyTo(
    lane: ProjectionLane,
    stored: readonly RecordedEvent[],
    read: readonly RecordedEvent[] | undefined,
    through: Position,
  ): Promise<void> {
    try {
      await lane.apply(read ?? readable(stored, lane, this.options.catalogue), through);
    } catch (error) {
      this.stuck.add(lane);
      this.options.log.warn({ lane: lane.name, error: errorMessage(error) }, 'a projection does not fold any further');
    }
  }
}
