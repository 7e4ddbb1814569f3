import type { EventStore, Position, RecordedEvent } from '#event-store';
import { Entry } from './entry.js';
import { passes, type EventFilter } from './filter.js';
import type { Gate } from './gate.js';
import type { Tail } from './tail.js';

export interface Page {
  readonly entries: readonly Entry[];
  /** Everything up to here is in the page or was filtered out. */
  readonly through: Position;
  /** Nothing more was in the log. */
  readonly atHead: boolean;
}

export interface ReaderDeps {
  readonly store: Pick<EventStore, 'readAll'>;
  readonly tail: Tail;
  readonly current: (event: RecordedEvent) => RecordedEvent;
  /** Shared by all: so many read the log at once. */
  readonly catchUp: Gate;
}

const PAGE_EVENTS = 256;
/** A page ends before it grows past this, though not before its first event. Bounds what a consumer holds while it is slow. */
const PAGE_CHARS = 256 * 1024;
const LOG_READ = 500;

/** The next page after a position: from the shared ring when it reaches back so far, else from the log. */
export const nextPage = async (deps: ReaderDeps, filter: EventFilter, after: Position): Promise<Page> => {
  const ring = deps.tail.after(after);
  if (ring !== undefined) {
    // Whoever comes from the log may be ahead of the ring, and must not go back with it.
    const through = ring.through > after ? ring.through : after;
    return cut(ring.entries, ring.from, through, filter, true);
  }
  const batch = await deps.catchUp.run(() => deps.store.readAll(after, { limit: LOG_READ }));
  const entries = batch.events.filter((event) => passes(filter, event)).map((event) => new Entry(deps.current(event)));
  return cut(entries, 0, batch.through, filter, false);
};

const cut = (from: readonly Entry[], start: number, through: Position, filter: EventFilter, atHead: boolean): Page => {
  const entries: Entry[] = [];
  let chars = 0;
  for (let index = start; index < from.length; index++) {
    const entry = from[index]!;
    if (!passes(filter, entry.event)) continue;
    chars += entry.json.length;
    if (entries.length === PAGE_EVENTS || (chars > PAGE_CHARS && entries.length > 0))
      return { entries, through: entries.at(-1)!.position, atHead: false };
    entries.push(entry);
  }
  return { entries, through, atHead };
};
