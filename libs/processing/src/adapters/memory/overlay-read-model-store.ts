import { refusal, RefusedError } from '#kernel';
import { position, START, type Position } from '#event-store';
import { FencedError } from '../../feed/lane.js';
import type { FindOptions, Projection } from '../../projection.js';
import { byCreation, MAX_POSITION, type BatchChange, type StoredDoc } from '../../projections/fold-batch.js';
import { isAfter, matches } from '../../projections/memory-table.js';
import { checkedWhere, cursorGone } from '../../projections/query.js';
import type { PageOf, ReadModelSnapshot } from '../../projections/read-model-snapshot.js';
import type { ProjectionTable, ReadModelStore, TableReport } from '../../projections/read-model-store.js';

interface Held {
  row: ProjectionTable;
  /** What differs from the snapshot; undefined: deleted here. */
  readonly changes: Map<string, StoredDoc | undefined>;
  epoch: number;
}

/** No table here answers orders: those are the real platform's, and a table that does not is not taken over. */
const notReady = (name: string): RefusedError =>
  new RefusedError(
    refusal(
      503,
      'fork_not_ready',
      `the read model ${name} is being built anew, and nothing can be predicted meanwhile`,
      {
        hint: 'call again when `drover projections` shows it as live',
      },
    ),
  );

/** Read models that go their own way from a snapshot: what is written stays here, what is not is read from there. */
export class OverlayReadModelStore implements ReadModelStore {
  private readonly byName = new Map<string, Held>();
  private base: ReadModelSnapshot | undefined;
  /** Why a runner cannot go on here: an order that the snapshot's table does not answer yet. */
  wantedAnew: RefusedError | undefined;

  /** Before anything is read. The snapshot stays its owner's to close. */
  over(snapshot: ReadModelSnapshot): void {
    this.base = snapshot;
  }

  async open(projections: readonly Projection[], epoch: number): Promise<readonly ProjectionTable[]> {
    return projections.map((projection) => {
      const held = this.byName.get(projection.name) ?? this.take(projection);
      if (held.epoch > epoch) throw new FencedError(`${held.row.table} belongs to epoch ${held.epoch}`);
      held.epoch = epoch;
      return held.row;
    });
  }

  async rebuild(projection: Projection): Promise<ProjectionTable> {
    throw (this.wantedAnew = notReady(projection.name));
  }

  async load(table: ProjectionTable, keys: readonly string[]): Promise<ReadonlyMap<string, StoredDoc>> {
    const { changes } = this.held(table);
    const found = new Map(
      await this.snapshot.load(
        table.projection,
        keys.filter((key) => !changes.has(key)),
      ),
    );
    for (const key of keys) {
      const row = changes.get(key);
      if (row !== undefined) found.set(key, row);
    }
    return found;
  }

  async commit(
    table: ProjectionTable,
    change: BatchChange,
    from: Position,
    to: Position,
    epoch: number,
  ): Promise<ReadonlyMap<string, string>> {
    const held = this.held(table, epoch);
    if (held.row.position !== from) throw new FencedError(`${table.table} is at ${held.row.position}, not at ${from}`);
    for (const key of change.deletes) held.changes.set(key, undefined);
    const texts = new Map<string, string>();
    for (const [key, row] of change.upserts) {
      // Through JSON as in the database, so that a fold never sees more than that would give back.
      const text = JSON.stringify(row.doc);
      held.changes.set(key, { ...row, doc: Object.freeze(JSON.parse(text) as object) });
      texts.set(key, text);
    }
    held.row = { ...held.row, position: to, skipped: [...held.row.skipped, ...(change.skipped ?? [])] };
    return texts;
  }

  async advance(tables: readonly ProjectionTable[], to: Position, epoch: number): Promise<void> {
    for (const held of tables.map((table) => this.held(table, epoch))) held.row = { ...held.row, position: to };
  }

  async prepare(): Promise<void> {
    // Nothing is built here.
  }

  async activate(table: ProjectionTable): Promise<ProjectionTable> {
    throw notReady(table.projection.name);
  }

  async *scan(table: ProjectionTable, pageSize: number): AsyncIterable<readonly [string, StoredDoc][]> {
    let after: PageOf['after'];
    for (;;) {
      const rows = await this.page(this.held(table), { where: [], limit: pageSize, ...(after && { after }) });
      if (rows.length > 0) yield rows.map(([key, row]) => [key, row]);
      const last = rows.at(-1);
      if (last === undefined || rows.length < pageSize) return;
      after = { created: last[1].created, key: last[0] };
    }
  }

  async positions(projections: readonly Projection[]): Promise<ReadonlyMap<string, Position>> {
    return new Map(
      projections.flatMap(({ name }) => {
        const held = this.byName.get(name);
        return held === undefined ? [] : [[name, held.row.position] as const];
      }),
    );
  }

  async tables(): Promise<readonly TableReport[]> {
    const reports = [...this.byName.values()].map(({ row: { projection, ...row } }) => {
      const { name, version } = projection;
      return { ...row, name, version };
    });
    return reports.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async get<D extends object>(projection: Projection<D>, key: string): Promise<D | undefined> {
    const any = projection as unknown as Projection;
    return (await this.load(this.of(any).row, [key])).get(key)?.doc as D | undefined;
  }

  async find<D extends object>(projection: Projection<D>, options: FindOptions = {}): Promise<D[]> {
    const any = projection as unknown as Projection;
    const held = this.of(any);
    const where = checkedWhere(any, options);
    const place =
      options.after === undefined ? undefined : (await this.load(held.row, [options.after])).get(options.after);
    if (options.after !== undefined && place === undefined) throw cursorGone(any);
    const rows = await this.page(held, {
      where,
      ...(place && { after: { created: place.created, key: options.after! } }),
      ...(options.limit === undefined ? {} : { limit: options.limit }),
    });
    return rows.map(([, row]) => row.doc as D);
  }

  /** What changed here may have to be left out of the snapshot's page, which is asked for that much more. */
  private async page({ row, changes }: Held, page: PageOf): Promise<(readonly [string, StoredDoc])[]> {
    const { projection } = row;
    const { where, after, limit } = page;
    const wider = limit === undefined ? page : { ...page, limit: limit + changes.size };
    const base = (await this.snapshot.page(projection, wider)).filter(([key]) => !changes.has(key));
    const own: [string, StoredDoc][] = [];
    for (const [key, changed] of changes) {
      if (changed === undefined || !matches(projection, changed.doc, where)) continue;
      if (after === undefined || isAfter(key, changed, after)) own.push([key, changed]);
    }
    if (own.length === 0) return base.slice(0, limit);
    return [...base.map(([key, doc]): [string, StoredDoc] => [key, doc]), ...own].sort(byCreation).slice(0, limit);
  }

  private take(projection: Projection): Held {
    const known = this.snapshot.table(projection);
    if (known === undefined) throw notReady(projection.name);
    const { table, position: at, skipped } = known;
    const row = {
      table,
      projection,
      state: 'active',
      position: position(at),
      skipped,
      orderedAt: MAX_POSITION,
    } as const;
    const held = { row, changes: new Map<string, StoredDoc | undefined>(), epoch: Number(START) };
    this.byName.set(projection.name, held);
    return held;
  }

  private of(projection: Projection): Held {
    return this.byName.get(projection.name) ?? this.take(projection);
  }

  private get snapshot(): ReadModelSnapshot {
    if (this.base === undefined) throw new Error('read before there is a snapshot');
    return this.base;
  }

  private held(table: ProjectionTable, epoch?: number): Held {
    const held = this.byName.get(table.projection.name);
    if (held === undefined) throw new FencedError(`${table.table} has been dropped`);
    if (epoch !== undefined && held.epoch !== epoch)
      throw new FencedError(`${table.table} belongs to epoch ${held.epoch}`);
    return held;
  }
}
