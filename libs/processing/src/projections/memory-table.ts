import type { FindOptions, Projection } from '../projection.js';
import { byCreation, type BatchChange, type StoredDoc } from './fold-batch.js';
import { checkedWhere, cursorGone } from './query.js';

/** One read model's documents in memory, with the same order, paging and column rules as its Postgres table. */
export class MemoryTable {
  private readonly rows = new Map<string, StoredDoc>();
  private sorted: [string, StoredDoc][] | undefined;

  get(key: string): StoredDoc | undefined {
    return this.rows.get(key);
  }

  load(keys: readonly string[]): Map<string, StoredDoc> {
    return new Map(keys.flatMap((key) => (this.rows.has(key) ? [[key, this.rows.get(key)!]] : [])));
  }

  get size(): number {
    return this.rows.size;
  }

  write(change: BatchChange): void {
    for (const key of change.deletes) this.rows.delete(key);
    for (const [key, row] of change.upserts) this.rows.set(key, row);
    if (change.deletes.length > 0 || change.upserts.size > 0) this.sorted = undefined;
  }

  /** Shares the documents, which nobody changes in place. */
  copy(): MemoryTable {
    const copy = new MemoryTable();
    for (const [key, row] of this.rows) copy.rows.set(key, row);
    return copy;
  }

  entries(): readonly [string, StoredDoc][] {
    return (this.sorted ??= [...this.rows].sort(byCreation));
  }

  find<D extends object>(projection: Projection<D>, options: FindOptions): D[] {
    const where = checkedWhere(projection as unknown as Projection, options);
    let rows = this.entries();
    if (options.after !== undefined) {
      const index = rows.findIndex(([key]) => key === options.after);
      if (index < 0) throw cursorGone(projection as unknown as Projection);
      rows = rows.slice(index + 1);
    }
    const found: D[] = [];
    for (const [, row] of rows) {
      if (found.length === (options.limit ?? Infinity)) break;
      const columns: Readonly<Record<string, unknown>> = projection.columns(row.doc as D);
      if (where.every(([name, value]) => (columns[name] ?? null) === value)) found.push(row.doc as D);
    }
    return found;
  }
}
