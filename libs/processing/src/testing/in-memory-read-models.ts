import type { RecordedEvent } from '#event-store';
import type { FindOptions, Projection, ReadModels } from '../projection.js';

/** Folds events into documents in memory: unit tests, time travel and what-if forks. */
export class InMemoryReadModels implements ReadModels {
  private readonly tables = new Map<string, Map<string, object>>();

  constructor(private readonly projections: readonly Projection[]) {}

  apply(event: RecordedEvent): void {
    for (const projection of this.projections) {
      for (const key of projection.keys(event)) {
        const table = this.table(projection.name);
        const next = projection.fold(table.get(key), event, key);
        if (next === undefined) table.delete(key);
        else table.set(key, next);
      }
    }
  }

  async get<D extends object>(projection: Projection<D>, key: string): Promise<D | undefined> {
    return this.table(projection.name).get(key) as D | undefined;
  }

  async find<D extends object>(projection: Projection<D>, options: FindOptions = {}): Promise<D[]> {
    const rows = [...this.table(projection.name)].filter(([, doc]) => {
      const columns: Record<string, unknown> = projection.columns(doc as D);
      return Object.entries(options.where ?? {}).every(([name, value]) => columns[name] === value);
    });
    const start = options.after === undefined ? 0 : rows.findIndex(([key]) => key === options.after) + 1;
    return rows.slice(start, options.limit === undefined ? undefined : start + options.limit).map(([, doc]) => doc as D);
  }

  private table(name: string): Map<string, object> {
    let table = this.tables.get(name);
    if (table === undefined) this.tables.set(name, (table = new Map()));
    return table;
  }
}
