import { isoTime, refusal, RefusedError, type Clock } from '#kernel';
import type { EventStore } from '#event-store';
import type { Projection } from '#processing';
import type { CursorCodec, ToolCall, ToolHandler } from '#tools';
import { FLEET_KINDS, fleetKinds, type FleetKind, type fleetStateAtTool } from './fleet-state-definition.js';
import { PastFleet, type Until } from './past-fleet.js';
import { readTime } from './time-argument.js';

type Tool = typeof fleetStateAtTool;

/** The projections that the processing host runs, asked for when all contexts have registered theirs. */
export type RegisteredProjections = () => readonly Projection[];
/**
 * A document as the get of its kind shows it, made by its context; `count` tells how many other documents refer to it, `atMs` what time
 * it was: what has an end is over or not by that clock.
 */
export type PastViews = Readonly<Record<FleetKind, (doc: never, past: PastNeighbours) => object>>;
export interface PastNeighbours {
  readonly atMs: number;
  count(kind: FleetKind, column: string, value: string): number;
}
export const PAST_VIEWS = Symbol('PastViews');

export const REGISTERED_PROJECTIONS = Symbol('RegisteredProjections');

export interface FleetStateDeps {
  readonly store: Pick<EventStore, 'readAll' | 'readStream' | 'head'>;
  readonly projections: RegisteredProjections;
  readonly views: PastViews;
  readonly cursors: CursorCodec;
  readonly clock: Pick<Clock, 'wallMs'>;
}

export const fleetStateAt = (deps: FleetStateDeps): ToolHandler<Tool['input'], Tool['output']> => {
  let past: { readonly fleet: PastFleet; readonly byName: ReadonlyMap<string, Projection> } | undefined;
  const opened = () => {
    if (past !== undefined) return past;
    const names: readonly string[] = Object.values(FLEET_KINDS);
    const projections = deps.projections().filter((projection) => names.includes(projection.name));
    const byName = new Map(projections.map((projection) => [projection.name, projection]));
    return (past = { fleet: new PastFleet(deps.store, projections), byName });
  };
  return async (input, call) => {
    const { fleet, byName } = opened();
    const { until, time } = await untilOf(deps, input, call);
    const state = await fleet.at(call.accountId, until);
    const wanted = input.kinds ?? fleetKinds;
    const docsOf = (kind: FleetKind) => {
      const projection = byName.get(FLEET_KINDS[kind]);
      const entries = projection === undefined ? [] : state.models.entries(projection);
      return { projection, entries };
    };
    const count: PastNeighbours['count'] = (kind, column, value) =>
      docsOf(kind).entries.filter(([, doc]) => (doc as Record<string, unknown>)[column] === value).length;
    const atMs = Date.parse(time ?? state.lastRecordedAt ?? isoTime(0));
    const viewed = (kind: FleetKind, doc: object) =>
      input.views ? { view: { ...deps.views[kind](doc as never, { count, atMs }) } } : {};
    const all = wanted.flatMap((kind): [FleetKind, Thing[]][] => {
      const { projection, entries } = docsOf(kind);
      if (projection === undefined) return [];
      return [[kind, entries.map(([key, doc]) => ({ ...thingOf(projection, key, doc), ...viewed(kind, doc) }))]];
    });
    return {
      as_of: {
        time: time ?? state.lastRecordedAt ?? isoTime(0),
        position: deps.cursors.encode(call.accountId, state.position),
        last_event_at: state.lastRecordedAt ?? null,
        events: state.events,
      },
      counts: Object.fromEntries(all.map(([kind, things]) => [kind, things.length])),
      ...Object.fromEntries(all.map(([kind, things]) => [kind, things.slice(0, input.limit)])),
    };
  };
};

interface Thing {
  readonly id: string;
  readonly document: Record<string, unknown>;
  readonly [column: string]: unknown;
}

/** What lists filter by comes first, so that a table shows it; the account is the caller's own. */
const thingOf = (projection: Projection, id: string, doc: object): Thing => {
  const columns = Object.entries(projection.columns(doc)).filter(([name]) => name !== 'account');
  return { ...Object.fromEntries(columns), id, document: { ...doc } };
};

const untilOf = async (
  { store, cursors, clock }: FleetStateDeps,
  { time, at }: { readonly time?: string | undefined; readonly at?: string | undefined },
  call: ToolCall,
): Promise<{ readonly until: Until; readonly time: string | undefined }> => {
  if (time !== undefined && at !== undefined) {
    const hint = 'give one of them';
    throw new RefusedError(refusal(400, 'ambiguous_parameter', 'time and at both say when', { field: 'at', hint }));
  }
  if (at !== undefined) return { until: { position: cursors.decode(call.accountId, at, 'at') }, time: undefined };
  if (time === undefined) return { until: { position: await store.head() }, time: isoTime(clock.wallMs()) };
  const read = readTime(time, clock.wallMs());
  if (read.kind === 'refused') throw new RefusedError(read.refusal);
  return { until: { timeMs: read.ms }, time: isoTime(read.ms) };
};
