import type { Position } from '#event-store';
import type { BatchChange, StoredDoc } from './fold-batch.js';

interface Clean {
  readonly text: string;
  readonly created: Position;
  readonly position: Position;
}

export interface BufferBounds {
  /** Changed documents that are held back before they are written. */
  readonly dirtyDocs: number;
  /** Events that a crash may make fold again. */
  readonly events: number;
  /** Characters of documents that are kept after they have been written. */
  readonly cleanChars: number;
}

const BOUNDS: BufferBounds = { dirtyDocs: 4_000, events: 50_000, cleanChars: 32_000_000 };

/**
 * What a table that nobody reads yet has in memory: changes that wait to be written together, so that a document that a
 * thousand events touch is written a few times only, and documents as they were written, so that they need not be read
 * back. Valid because one lane is the only writer, which each commit proves by the table's checkpoint and epoch.
 */
export class BuildBuffer {
  private readonly dirty = new Map<string, StoredDoc | undefined>();
  /** In the form that the database would give back, least recently used first. */
  private readonly clean = new Map<string, Clean>();
  private cleanChars = 0;
  private events = 0;

  /** `knowsAll`: the table is empty, so that a key which is not here is nowhere; holds until something is forgotten. */
  constructor(
    private knowsAll: boolean,
    private readonly bounds: BufferBounds = BOUNDS,
  ) {}

  /** Fills in what is known of these keys; answers those of which nothing is. */
  take(keys: readonly string[], into: Map<string, StoredDoc>): string[] {
    return keys.filter((key) => {
      if (this.dirty.has(key)) {
        const row = this.dirty.get(key);
        if (row !== undefined) into.set(key, row);
        return false;
      }
      const known = this.clean.get(key);
      if (known === undefined) return !this.knowsAll;
      const { text, created, position } = known;
      into.set(key, { doc: JSON.parse(text) as object, created, position });
      return false;
    });
  }

  add(change: BatchChange, events: number): void {
    for (const [key, row] of change.upserts) this.put(key, row);
    for (const key of change.deletes) this.put(key, undefined);
    this.events += events;
  }

  get isFull(): boolean {
    return this.dirty.size >= this.bounds.dirtyDocs || this.events >= this.bounds.events;
  }

  /** All that waits, as one change. */
  pending(): BatchChange {
    const upserts = new Map<string, StoredDoc>();
    const deletes: string[] = [];
    for (const [key, row] of this.dirty) {
      if (row === undefined) deletes.push(key);
      else upserts.set(key, row);
    }
    return { upserts, deletes };
  }

  /** The pending change has been written; `texts` are its documents as JSON. */
  written(texts: ReadonlyMap<string, string>): void {
    for (const [key, row] of this.dirty) {
      const text = texts.get(key);
      if (row === undefined || text === undefined) continue;
      this.clean.set(key, { text, created: row.created, position: row.position });
      this.cleanChars += text.length;
    }
    for (const [key, { text }] of this.clean) {
      if (this.cleanChars <= this.bounds.cleanChars) break;
      this.clean.delete(key);
      this.cleanChars -= text.length;
      this.knowsAll = false;
    }
    this.dirty.clear();
    this.events = 0;
  }

  private put(key: string, row: StoredDoc | undefined): void {
    const known = this.clean.get(key);
    if (known !== undefined) {
      this.clean.delete(key);
      this.cleanChars -= known.text.length;
    }
    this.dirty.set(key, row);
  }
}
