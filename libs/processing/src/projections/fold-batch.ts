import { position, type Position, type RecordedEvent } from '#event-store';
import type { Projection } from '../projection.js';

/** A document with the position of the event that created it (its place in lists) and of the last one that changed it. */
export interface StoredDoc {
  readonly doc: object;
  readonly created: Position;
  readonly position: Position;
}

export interface BatchChange {
  readonly upserts: ReadonlyMap<string, StoredDoc>;
  readonly deletes: readonly string[];
}

/** Keys that the events touch, without repeats. */
export const touchedKeys = (projection: Projection, events: readonly RecordedEvent[]): string[] => [
  ...new Set(events.flatMap((event) => projection.keys(event))),
];

/** Folds a run of events over the documents they touch. Pure: the result is what one statement can write. */
export const foldBatch = (
  projection: Projection,
  events: readonly RecordedEvent[],
  loaded: ReadonlyMap<string, StoredDoc>,
): BatchChange => {
  const rows = new Map<string, StoredDoc | undefined>();
  for (const event of events) {
    for (const key of new Set(projection.keys(event))) {
      const before = rows.has(key) ? rows.get(key) : loaded.get(key);
      const doc = projection.fold(before?.doc, event, key);
      if (doc === before?.doc) continue;
      rows.set(key, doc && { doc, created: before?.created ?? event.position, position: event.position });
    }
  }
  const upserts = new Map<string, StoredDoc>();
  const deletes: string[] = [];
  for (const [key, row] of rows) {
    if (row !== undefined) upserts.set(key, row);
    else if (loaded.has(key)) deletes.push(key);
  }
  return { upserts, deletes };
};

/** Lists are ordered by creation, then key (by code unit, as Postgres' COLLATE "C" does for what keys are made of). */
export const byCreation = (a: [string, StoredDoc], b: [string, StoredDoc]): number =>
  a[1].created < b[1].created ? -1 : a[1].created > b[1].created ? 1 : a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;

export const MAX_POSITION = position(2n ** 63n - 1n);
