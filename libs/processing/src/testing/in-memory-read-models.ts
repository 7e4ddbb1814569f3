import type { RecordedEvent } from '#event-store';
import type { FindOptions, Projection, ReadModels } from '../projection.js';
import { foldBatch, touchedKeys } from '../projections/fold-batch.js';
import { MemoryTable } from '../projections/memory-table.js';

/** Folds events into documents in memory: unit tests, time travel and what-if forks. */
export class InMemoryReadModels implements ReadModels {
  private readonly tables = new Map<string, MemoryTable>();

  constructor(private readonly projections: readonly Projection[]) {}

  /** Events must come in the order of the log and in their current schema. */
  apply(event: RecordedEvent): void {
    for (const projection of this.projections) {
      const keys = touchedKeys(projection, [event]);
      if (keys.length === 0) continue;
      const table = this.table(projection.name);
      table.write(foldBatch(projection, [event], table.load(keys)));
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
    const copy = new InMemoryReadModels(this.projections);
    for (const [name, table] of this.tables) copy.tables.set(name, table.copy());
    return copy;
  }

  private table(name: string): MemoryTable {
    let table = this.tables.get(name);
    if (table === undefined) this.tables.set(name, (table = new MemoryTable()));
    return table;
  }
}
