import type { FindOptions, Projection } from '../projection.js';
import { byCreation, type BatchChange, type StoredDoc } from './fold-batch.js';
import { checkedWhere, cursorGone } from './query.js';
import type { PageOf } from './read-model-snapshot.js';

export const matches = (projection: Projection, doc: object, where: PageOf['where']): boolean => {
  const columns: Readonly<Record<string, unknown>> = projection.columns(doc);
  return where.every(([name, value]) => (columns[name] ?? null) === value);
};

/** Behind this place in the order of lists. */
export const isAfter = (key: string, { created }: StoredDoc, place: NonNullable<PageOf['after']>): boolean =>
  created > place.created || (created === place.created && key > place.key);

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
    const any = projection as unknown as Projection;
    const place = options.after === undefined ? undefined : this.rows.get(options.after);
    if (options.after !== undefined && place === undefined) throw cursorGone(any);
    const page = {
      where: checkedWhere(any, options),
      ...(place && { after: { created: place.created, key: options.after! } }),
      ...(options.limit === undefined ? {} : { limit: options.limit }),
    };
    return this.page(any, page).map(([, row]) => row.doc as D);
  }

  page(projection: Projection, { where, after, limit = Infinity }: PageOf): (readonly [string, StoredDoc])[] {
    const rows = this.entries();
    const found: (readonly [string, StoredDoc])[] = [];
    for (let at = after === undefined ? 0 : this.placeAfter(after); at < rows.length && found.length < limit; at++) {
      if (matches(projection, rows[at]![1].doc, where)) found.push(rows[at]!);
    }
    return found;
  }

  private placeAfter({ created, key }: NonNullable<PageOf['after']>): number {
    const index = this.entries().findIndex(([other, row]) => isAfter(other, row, { created, key }));
    return index < 0 ? this.rows.size : index;
  }
}
