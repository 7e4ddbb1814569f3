import type { EventStore, Position, RecordedEvent } from '#event-store';
import type { Fault } from '../feed/lane.js';
import type { TableReport } from '../projections/read-model-store.js';
import type { LaneStatus } from './status.js';
import type { ProcessingStorage } from './storage.js';

/** One table of a projection, as every process sees it. */
export interface ProjectionReport extends Omit<TableReport, 'state'> {
  readonly state: LaneStatus['state'];
  /** Whether readers see this table. */
  readonly isRead: boolean;
  /** Events not applied yet; undefined where positions have gaps and cannot be counted. */
  readonly behind: number | undefined;
  /** When the first event that it has not applied was recorded; undefined when there is none. Known on every store. */
  readonly waitingSince: string | undefined;
  readonly fault: Fault | undefined;
}

/** An event that a projection cannot digest. */
export interface Poison {
  readonly projection: string;
  readonly version: number;
  readonly event: RecordedEvent;
  readonly error: string;
}

export interface ReportSources {
  readonly store: EventStore;
  readonly storage: ProcessingStorage;
}

/** Read from the database, so that a process that does not lead knows as much as the one that does. */
export const projectionReports = async ({ store, storage }: ReportSources): Promise<readonly ProjectionReport[]> => {
  const [faults, tables, head] = await Promise.all([storage.faults.list(), storage.readModels.tables(), store.head()]);
  return Promise.all(
    tables.map(async (table) => {
      const report = reportOf(table, head, faults, store.capabilities.densePositions);
      return { ...report, waitingSince: await nextRecordedAt(store, table.position, head) };
    }),
  );
};

const nextRecordedAt = async (store: EventStore, at: Position, head: Position): Promise<string | undefined> =>
  at >= head ? undefined : (await store.readAll(at, { limit: 1 })).events[0]?.recordedAt;

export const poisonOf = async (sources: ReportSources, name: string): Promise<Poison | undefined> => {
  const faulted = (await projectionReports(sources)).filter((r) => r.name === name && r.fault !== undefined);
  // The table that is being built is the one that has a future.
  const report = faulted.find((r) => !r.isRead) ?? faulted[0];
  if (report?.fault === undefined) return undefined;
  const { position, error } = report.fault;
  // Applied already: something else keeps the table, and skipping that event would change what it says.
  if (position <= report.position) return undefined;
  const { events } = await sources.store.readAll((position - 1n) as Position, { limit: 1 });
  const event = events[0]?.position === position ? events[0] : undefined;
  return event && { projection: name, version: report.version, event, error };
};

/** Undefined where positions have gaps and somebody is behind: how far, only reading the events would tell. */
export const eventsBehind = (densePositions: boolean, head: Position, at: Position): number | undefined => {
  if (at >= head) return 0;
  return densePositions ? Number(head - at) : undefined;
};

const reportOf = (
  table: TableReport,
  head: Position,
  faults: readonly Fault[],
  densePositions: boolean,
): Omit<ProjectionReport, 'waitingSince'> => {
  const fault = faults.find((f) => f.lane === `projection:${table.table}`);
  const isRead = table.state === 'active';
  const caughtUp = table.position >= head ? 'live' : 'catching_up';
  const state = fault !== undefined ? 'faulted' : isRead ? caughtUp : 'building';
  const behind = eventsBehind(densePositions, head, table.position);
  return { ...table, state, isRead, behind, fault };
};
