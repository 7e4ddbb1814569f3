import type { Position } from '#event-store';
import type { Projection, ReadModels } from '../projection.js';
import type { BatchChange, StoredDoc } from './fold-batch.js';

/** One table of a projection. There are two of the same name while a new version or a rebuild builds beside the old one. */
export interface ProjectionTable {
  readonly table: string;
  readonly projection: Projection;
  /** `active` is what readers see. */
  readonly state: 'building' | 'active';
  readonly position: Position;
  /** Events before `position` that were passed without being folded, as an operator ordered. */
  readonly skipped: readonly Position[];
  /** Position of the newest order to rebuild that this table answers; START when there was none. */
  readonly orderedAt: Position;
}

/** A table as it is known to every process, whoever runs it. */
export interface TableReport extends Omit<ProjectionTable, 'projection'> {
  readonly name: string;
  readonly version: number;
}

/**
 * Where read models live: in Postgres always (whatever the event store), in memory for tests and the simulator. Every
 * write names the epoch of the runner that makes it and throws FencedError once a later runner has claimed.
 */
export interface ReadModelStore extends ReadModels {
  /** Makes what is missing for these projections and takes them over for the runner with this epoch. */
  open(projections: readonly Projection[], epoch: number): Promise<readonly ProjectionTable[]>;
  /** A fresh table beside the active one, which answers the order at this position. */
  rebuild(projection: Projection, epoch: number, orderedAt?: Position): Promise<ProjectionTable>;
  load(table: ProjectionTable, keys: readonly string[]): Promise<ReadonlyMap<string, StoredDoc>>;
  /**
   * Rows and checkpoint, in one transaction; `from` is the checkpoint that the change was computed on. Answers the written
   * documents as JSON.
   */
  commit(
    table: ProjectionTable,
    change: BatchChange,
    from: Position,
    to: Position,
    epoch: number,
  ): Promise<ReadonlyMap<string, string>>;
  /** Checkpoints only, of tables that the events did not touch, in one statement. */
  advance(tables: readonly ProjectionTable[], to: Position, epoch: number): Promise<void>;
  /** Makes what only readers of a table need, before it is activated; may take its time. */
  prepare(table: ProjectionTable): Promise<void>;
  /** Readers see this table from now on; the one they saw before is dropped. Undefined while somebody keeps that: try again. */
  activate(table: ProjectionTable, epoch: number): Promise<ProjectionTable | undefined>;
  /** All documents of a table in list order, a page at a time, for digests. */
  scan(table: ProjectionTable, pageSize: number): AsyncIterable<readonly [string, StoredDoc][]>;
  /** How far the read tables are, by name; only of these versions. For processes that do not run the projections. */
  positions(projections: readonly Projection[]): Promise<ReadonlyMap<string, Position>>;
  /** All tables there are, of every version; in order of name and state. */
  tables(): Promise<readonly TableReport[]>;
}
