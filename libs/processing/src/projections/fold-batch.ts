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
  /** Events that were passed without being folded, because an operator ordered it. */
  readonly skipped?: readonly Position[];
}

/** An event with the keys that it touches, without repeats. */
export interface Touch {
  readonly event: RecordedEvent;
  readonly keys: readonly string[];
}

/** Events that touch a document; a projection is asked once an event. */
export const touchesOf = (projection: Projection, events: readonly RecordedEvent[]): Touch[] =>
  events.flatMap((event) => {
    const keys = projection.keys(event);
    if (keys.length === 0) return [];
    return [{ event, keys: keys.length === 1 ? keys : [...new Set(keys)] }];
  });

/** Keys that the events touch, without repeats. */
export const keysOf = (touches: readonly Touch[]): string[] => [...new Set(touches.flatMap((touch) => touch.keys))];

/** Folds a run of events over the documents they touch. Pure: the result is what one statement can write. */
export const foldTouches = (
  projection: Projection,
  touches: readonly Touch[],
  loaded: ReadonlyMap<string, StoredDoc>,
): BatchChange => {
  const rows = new Map<string, StoredDoc | undefined>();
  for (const { event, keys } of touches) {
    for (const key of keys) {
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
