import type { RecordedEvent } from '#event-store';
import type { FindOptions, Projection, ReadModels } from '../projection.js';
import { foldTouches, keysOf, touchesOf } from '../projections/fold-batch.js';
import { MemoryTable } from '../projections/memory-table.js';

/** Folds events into documents in memory: unit tests, time travel and what-if forks. */
export class InMemoryReadModels implements ReadModels {
  private readonly tables = new Map<string, MemoryTable>();

  /** `skips`: positions that an operator ordered a projection to pass, see readSkips. */
  constructor(
    private readonly projections: readonly Projection[],
    private readonly skips?: (projection: Projection) => ReadonlySet<bigint>,
  ) {}

  /** Events must come in the order of the log and in their current schema. */
  apply(event: RecordedEvent): void {
    for (const projection of this.projections) {
      if (this.skips?.(projection).has(event.position) === true) continue;
      const touches = touchesOf(projection, [event]);
      if (touches.length === 0) continue;
      const table = this.table(projection.name);
      table.write(foldTouches(projection, touches, table.load(keysOf(touches))));
    }
  }

  async get<D extends object>(projection: Projection<D>, key: string): Promise<D | undefined> {
    return this.table(projection.name).get(key)?.doc as D | undefined;
  }

  async find<D extends object>(projection: Projection<D>, options: FindOptions = {}): Promise<D[]> {
    return this.table(projection.name).find(projection, options);
  }

  /** Keys and documents in list order. */
  entries<D extends object>(projection: Pick<Projection<D>, 'name'>): readonly (readonly [key: string, doc: D])[] {
    return this.table(projection.name)
      .entries()
      .map(([key, row]) => [key, row.doc as D]);
  }

  /** A second set that goes its own way from here. */
  copy(): InMemoryReadModels {
    const copy = new InMemoryReadModels(this.projections, this.skips);
    for (const [name, table] of this.tables) copy.tables.set(name, table.copy());
    return copy;
  }

  private table(name: string): MemoryTable {
    let table = this.tables.get(name);
    if (table === undefined) this.tables.set(name, (table = new MemoryTable()));
    return table;
  }
}
