import type { RecordedEvent } from '#event-store';

export type ColumnValue = string | number | boolean | null;

/**
 * A read model as a pure fold. A new `version` builds beside the old one and a view switches. The same fold runs in memory
 * for time travel. `columns` are extracted for queries; `account` is always one of them.
 */
export interface Projection<D extends object = object> {
  readonly name: string;
  readonly version: number;
  /** Keys of the documents that the event touches; none when the event is of no interest. */
  keys(event: RecordedEvent): readonly string[];
  /** The document after the event; undefined deletes it. Must not depend on anything but its arguments. */
  fold(doc: D | undefined, event: RecordedEvent, key: string): D | undefined;
  /** Extracted columns, snake_case. `account` is required so that reads can be confined to one account. */
  columns(doc: D): { readonly account: string } & Readonly<Record<string, ColumnValue>>;
  /** Column names besides `account`, so that the table can be made before the first row. */
  readonly columnTypes: Readonly<Record<string, 'text' | 'bigint' | 'boolean'>>;
}

export const defineProjection = <D extends object>(projection: Projection<D>): Projection<D> => projection;

export interface FindOptions {
  /** Equality on `account` and on extracted columns. */
  readonly where?: Readonly<Record<string, ColumnValue>>;
  readonly limit?: number;
  /** Key of the last document of the previous page. */
  readonly after?: string;
}

/** Reads of projections: Postgres in the platform, in memory in tests and forks. Ordered by creation, then key. */
export interface ReadModels {
  get<D extends object>(projection: Projection<D>, key: string): Promise<D | undefined>;
  find<D extends object>(projection: Projection<D>, options?: FindOptions): Promise<D[]>;
}
export const READ_MODELS = Symbol('ReadModels');

/** Waits until read models have passed a position, so that a caller reads its own writes. */
export interface ReadYourWrites {
  /** 'current' when all named projections have passed `position` within the bound (2 s by default), else 'behind'. */
  waitFor(position: bigint, projections: readonly string[], boundMs?: number): Promise<'current' | 'behind'>;
}
export const READ_YOUR_WRITES = Symbol('ReadYourWrites');
