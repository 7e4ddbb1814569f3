import type { Position } from '#event-store';
import type { ColumnValue, Projection } from '../projection.js';
import type { StoredDoc } from './fold-batch.js';
import type { TableReport } from './read-model-store.js';

export interface PageOf {
  /** Checked, see checkedWhere. */
  readonly where: readonly (readonly [column: string, value: ColumnValue])[];
  /** Only what comes after this place in the order of lists. */
  readonly after?: { readonly created: Position; readonly key: string };
  readonly limit?: number;
}

/** The tables that readers see, all as they were at one moment, for as long as this is open. */
export interface ReadModelSnapshot {
  /** Undefined when readers see a table of another version or shape, or none. */
  table(projection: Projection): TableReport | undefined;
  load(projection: Projection, keys: readonly string[]): Promise<ReadonlyMap<string, StoredDoc>>;
  /** In list order. */
  page(projection: Projection, page: PageOf): Promise<(readonly [string, StoredDoc])[]>;
  close(): Promise<void>;
}
