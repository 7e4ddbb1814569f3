import { START, type Position } from '#event-store';
import { FencedError } from '../../feed/lane.js';
import type { FindOptions, Projection } from '../../projection.js';
import type { BatchChange, StoredDoc } from '../../projections/fold-batch.js';
import { MemoryTable } from '../../projections/memory-table.js';
import { checkProjection } from '../../projections/query.js';
import type { ReadModelSnapshot } from '../../projections/read-model-snapshot.js';
import type { ProjectionTable, ReadModelStore, TableReport } from '../../projections/read-model-store.js';

interface Held {
  row: ProjectionTable;
  readonly rows: MemoryTable;
  epoch: number;
}

/** Read models, checkpoints and fences in memory, with the rules of the Postgres store. Survives a runner, not a process. */
export class MemoryReadModelStore implements ReadModelStore {
  private readonly byTable = new Map<string, Held>();
  private generation = 0;

  async open(projections: readonly Projection[], epoch: number): Promise<readonly ProjectionTable[]> {
    return projections.flatMap((projection) => {
      checkProjection(projection);
      const mine = this.held(projection.name).filter((h) => h.row.projection.version === projection.version);
      for (const other of this.held(projection.name)) {
        if (other.row.state === 'building' && !mine.includes(other)) this.byTable.delete(other.row.table);
      }
      if (mine.length === 0) mine.push(this.make(projection, epoch));
      for (const held of mine) {
        if (held.epoch > epoch) throw new FencedError(`${held.row.table} belongs to epoch ${held.epoch}`);
        held.epoch = epoch;
        held.row = { ...held.row, projection };
      }
      return mine.map((h) => h.row);
    });
  }

  async rebuild(projection: Projection, epoch: number, orderedAt: Position = START): Promise<ProjectionTable> {
    for (const held of this.held(projection.name))
      if (held.row.state === 'building') this.byTable.delete(held.row.table);
    return this.make(projection, epoch, orderedAt).row;
  }

  async load(table: ProjectionTable, keys: readonly string[]): Promise<ReadonlyMap<string, StoredDoc>> {
    return this.fenced(table).rows.load(keys);
  }

  async commit(
    table: ProjectionTable,
    change: BatchChange,
    from: Position,
    to: Position,
    epoch: number,
  ): Promise<ReadonlyMap<string, string>> {
    const held = this.fenced(table, epoch);
    if (held.row.position !== from) throw new FencedError(`${table.table} is at ${held.row.position}, not at ${from}`);
    // Through JSON as in the database, so that a fold never sees more than what a restart would give it.
    const texts = new Map([...change.upserts].map(([key, row]) => [key, JSON.stringify(row.doc)] as const));
    const upserts = [...change.upserts].map(([key, row]) => [key, { ...row, doc: frozen(texts.get(key)!) }] as const);
    held.rows.write({ deletes: change.deletes, upserts: new Map(upserts) });
    held.row = { ...held.row, position: to, skipped: [...held.row.skipped, ...(change.skipped ?? [])] };
    return texts;
  }

  async prepare(): Promise<void> {
    // Nothing is slower without indexes here.
  }

  async tables(): Promise<readonly TableReport[]> {
    return [...this.byTable.values()]
      .map(({ row }) => reportOf(row))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.state < b.state ? -1 : 1));
  }

  async advance(tables: readonly ProjectionTable[], to: Position, epoch: number): Promise<void> {
    const all = tables.map((table) => this.fenced(table, epoch));
    for (const held of all) held.row = { ...held.row, position: to };
  }

  async activate(table: ProjectionTable, epoch: number): Promise<ProjectionTable> {
    const held = this.fenced(table, epoch);
    for (const other of this.held(table.projection.name)) if (other !== held) this.byTable.delete(other.row.table);
    return (held.row = { ...held.row, state: 'active' });
  }

  /** Shares the documents, which nobody changes in place. */
  async snapshot(): Promise<ReadModelSnapshot> {
    const copies = new Map(
      [...this.byTable.values()]
        .filter(({ row }) => row.state === 'active')
        .map(({ row, rows }) => [row.projection.name, { report: reportOf(row), rows: rows.copy() }] as const),
    );
    const of = (projection: Projection) => {
      const copy = copies.get(projection.name);
      return copy?.report.version === projection.version ? copy : undefined;
    };
    return {
      table: (projection) => of(projection)?.report,
      load: async (projection, keys) => of(projection)?.rows.load(keys) ?? new Map(),
      page: async (projection, page) => of(projection)?.rows.page(projection, page) ?? [],
      close: async () => copies.clear(),
    };
  }

  async *scan(table: ProjectionTable, pageSize: number): AsyncIterable<readonly [string, StoredDoc][]> {
    const entries = this.fenced(table).rows.entries();
    for (let at = 0; at < entries.length; at += pageSize) yield entries.slice(at, at + pageSize);
  }

  async positions(projections: readonly Projection[]): Promise<ReadonlyMap<string, Position>> {
    const active = projections.flatMap(({ name, version }) =>
      this.active(name).filter((held) => held.row.projection.version === version),
    );
    return new Map(active.map((held) => [held.row.projection.name, held.row.position]));
  }

  async get<D extends object>(projection: Projection<D>, key: string): Promise<D | undefined> {
    return this.active(projection.name)[0]?.rows.get(key)?.doc as D | undefined;
  }

  async find<D extends object>(projection: Projection<D>, options: FindOptions = {}): Promise<D[]> {
    return (this.active(projection.name)[0]?.rows ?? new MemoryTable()).find(projection, options);
  }

  private make(projection: Projection, epoch: number, orderedAt: Position = START): Held {
    const state = this.active(projection.name).length === 0 ? 'active' : 'building';
    const table = `${projection.name}_v${projection.version}_g${++this.generation}`;
    const row = { table, projection, state, position: START, skipped: [], orderedAt } as const;
    const held = { row, rows: new MemoryTable(), epoch };
    this.byTable.set(table, held);
    return held;
  }

  private held(name: string): Held[] {
    return [...this.byTable.values()].filter((h) => h.row.projection.name === name);
  }

  private active(name: string): Held[] {
    return this.held(name).filter((h) => h.row.state === 'active');
  }

  private fenced(table: ProjectionTable, epoch?: number): Held {
    const held = this.byTable.get(table.table);
    if (held === undefined) throw new FencedError(`${table.table} has been dropped`);
    if (epoch !== undefined && held.epoch !== epoch)
      throw new FencedError(`${table.table} belongs to epoch ${held.epoch}`);
    return held;
  }
}

const reportOf = ({ projection: { name, version }, ...row }: ProjectionTable): TableReport => ({
  ...row,
  name,
  version,
});

const frozen = (text: string): object => Object.freeze(JSON.parse(text) as object);
