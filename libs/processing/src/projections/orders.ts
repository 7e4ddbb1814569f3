import { z } from 'zod';
import { accept, defineEvent, nothing, type Decider, type EventOf } from '#kernel';
import { START, type EventStore, type Position, type RecordedEvent } from '#event-store';
import type { Projection } from '../projection.js';

/** Of the stream on which all orders about one projection are: `projection-<name>`. */
export const PROJECTION_CATEGORY = 'projection';
export const projectionStream = (name: string): string => `${PROJECTION_CATEGORY}-${name}`;

const which = { projection: z.string(), version: z.number().int(), reason: z.string() };

export const ProjectionRebuildRequested = defineEvent('system.projection.rebuild_requested', 1, z.object(which));
/**
 * This version of the projection passes the event without folding it: now, in every rebuild, and in every fold in memory,
 * also of a time before this order. Another version folds it again.
 */
export const ProjectionEventSkipped = defineEvent(
  'system.projection.event_skipped',
  1,
  z.object({
    ...which,
    /** Decimal: where in the log the event is. */
    position: z.string().regex(/^\d+$/),
    event_id: z.string(),
    event_type: z.string(),
  }),
  { severity: 'high' },
);
export const projectionOrderEvents = [ProjectionRebuildRequested, ProjectionEventSkipped] as const;

type OrderEvent = EventOf<(typeof projectionOrderEvents)[number]>;
export type OrderCommand =
  | { readonly type: 'rebuild'; readonly data: EventOf<typeof ProjectionRebuildRequested>['data'] }
  | { readonly type: 'skip'; readonly data: EventOf<typeof ProjectionEventSkipped>['data'] };

const skipKey = (data: { readonly version: number; readonly position: string }): string =>
  `${data.version}@${data.position}`;

/** Orders about one projection. Whether there is something to skip is known outside the log, before the command is made. */
export const projectionOrders: Decider<{ readonly skipped: readonly string[] }, OrderCommand, OrderEvent> = {
  initial: { skipped: [] },
  evolve: (state, event) =>
    event.type === ProjectionEventSkipped.type
      ? { skipped: [...state.skipped, skipKey(event.data as EventOf<typeof ProjectionEventSkipped>['data'])] }
      : state,
  decide: (command, state) => {
    if (command.type === 'rebuild') return accept(ProjectionRebuildRequested(command.data));
    if (state.skipped.includes(skipKey(command.data))) return nothing('already_skipped');
    return accept(ProjectionEventSkipped(command.data));
  },
};

const NOTHING: ReadonlySet<bigint> = new Set();

/** What has been ordered about projections, folded from their streams. */
export class OrderBook {
  private readonly skipped = new Map<string, Set<bigint>>();
  private readonly rebuilds = new Map<string, Position>();

  /** Answers the name of the projection that the event is an order about; undefined when it is none. */
  apply(event: RecordedEvent): string | undefined {
    const { projection } = event.data as { projection?: string };
    if (event.type === ProjectionRebuildRequested.type) {
      if (event.position > this.rebuildAt(projection!)) this.rebuilds.set(projection!, event.position);
      return projection;
    }
    if (event.type !== ProjectionEventSkipped.type) return undefined;
    const { version, position: at } = event.data as { version: number; position: string };
    const key = `${projection} ${version}`;
    this.skipped.set(key, (this.skipped.get(key) ?? new Set()).add(BigInt(at)));
    return projection;
  }

  /** Reads the streams of these projections from the beginning: a handful of events. */
  async load(store: Pick<EventStore, 'readStream'>, projections: readonly Pick<Projection, 'name'>[]): Promise<void> {
    const read = async (name: string) => {
      for await (const event of store.readStream(projectionStream(name))) this.apply(event);
    };
    await Promise.all(projections.map(({ name }) => read(name)));
  }

  /** Positions of the events that this version of the projection passes without folding them. */
  skips({ name, version }: Pick<Projection, 'name' | 'version'>): ReadonlySet<bigint> {
    return this.skipped.get(`${name} ${version}`) ?? NOTHING;
  }

  /** Position of the newest order to rebuild; START when there is none. */
  rebuildAt(name: string): Position {
    return this.rebuilds.get(name) ?? START;
  }
}

/**
 * For folds in memory (time travel, forks): the second argument of InMemoryReadModels. All orders of the whole log count, also
 * for a fold that ends before they were given: it could not get past the event either.
 */
export const readSkips = async (
  store: Pick<EventStore, 'readStream'>,
  projections: readonly Projection[],
): Promise<(projection: Projection) => ReadonlySet<bigint>> => {
  const book = new OrderBook();
  await book.load(store, projections);
  return (projection) => book.skips(projection);
};
