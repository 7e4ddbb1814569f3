import { assertNever, type EventCatalogue, type EventLinks } from '#kernel';
import { position, START, type EventMeta, type Position, type RecordedEvent } from '#event-store';
import type { ProcessInput, ProcessManager } from '../process-manager.js';
import type { StoredInput, StoredOutput } from './pm-events.js';

/** For whom and because of what an output was decided; commands and timers pass it on. */
export interface Cause {
  readonly accountId: string;
  readonly correlationId: string;
  /** The event that caused it: the domain event of an `event` input, else the inbox event. */
  readonly eventId: string;
  readonly links: EventLinks;
}

export interface ArmedTimer {
  readonly name: string;
  readonly dueMs: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly setAt: number;
  readonly cause: Cause;
}

export interface PendingCommand {
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly version: number;
  readonly index: number;
  readonly cause: Cause;
}

/**
 * A process manager instance as its stream tells it. The stream is the only truth: which commands are still to be sent
 * and which timers are armed follows from it, so tables beside it are mere indexes and a replay can do no harm.
 */
export interface Instance<S = unknown> {
  readonly state: S;
  readonly version: number;
  /** Position of the last event of the feed in the inbox. The feed is ordered: what is not after it has been taken in. */
  readonly eventsThrough: Position;
  readonly timers: ReadonlyMap<string, ArmedTimer>;
  readonly pending: readonly PendingCommand[];
}

export const newInstance = <S>(manager: ProcessManager<S>): Instance<S> => ({
  state: manager.initial,
  version: 0,
  eventsThrough: START,
  timers: new Map(),
  pending: [],
});

/** One inbox entry as appended or read back. */
export interface InboxEntry {
  readonly id: string;
  readonly version: number;
  readonly meta: EventMeta;
  readonly input: StoredInput;
  readonly outputs: readonly StoredOutput[];
}

/** The input as `react` sees it; stored events are brought to the current schema. */
export const toProcessInput = (input: StoredInput, catalogue: EventCatalogue): ProcessInput => {
  switch (input.kind) {
    case 'event': {
      const event = catalogue.current(input.event);
      const meta = event.meta as unknown as EventMeta;
      return { kind: 'event', event: { ...event, meta, position: position(event.position) } };
    }
    case 'timer':
      return { kind: 'timer', name: input.name, dueMs: input.dueMs, data: input.data };
    case 'command_result': {
      const { kind, command, outcome, code, message, payload } = input;
      return { kind, command, outcome, payload, ...(code && { code }), ...(message && { message }) };
    }
    default:
      return assertNever(input);
  }
};

export const toStoredEvent = (event: RecordedEvent): Extract<StoredInput, { kind: 'event' }>['event'] => ({
  id: event.id,
  stream: event.stream,
  version: event.version,
  position: String(event.position),
  recordedAt: event.recordedAt,
  type: event.type,
  schemaVersion: event.schemaVersion,
  data: event.data,
  meta: { ...event.meta },
});

/** The instance after one inbox entry; `state` is what `react` made of it. */
export const advance = <S>(instance: Instance<S>, entry: InboxEntry, state: S): Instance<S> => ({
  state,
  version: entry.version,
  eventsThrough: entry.input.kind === 'event' ? position(entry.input.event.position) : instance.eventsThrough,
  timers: timersAfter(instance.timers, entry),
  pending: pendingAfter(instance.pending, entry),
});

const causeOf = (entry: InboxEntry): Cause => ({
  accountId: entry.meta.accountId,
  correlationId: entry.meta.correlationId,
  eventId: entry.input.kind === 'event' ? entry.input.event.id : entry.id,
  links: entry.meta.links,
});

/** Keeps the very map when no timer changed, so that callers see by identity that there is nothing to write. */
const timersAfter = (timers: ReadonlyMap<string, ArmedTimer>, entry: InboxEntry): ReadonlyMap<string, ArmedTimer> => {
  const { input, outputs } = entry;
  const touched = input.kind === 'timer' || outputs.some((o) => o.kind === 'timer' || o.kind === 'cancel_timer');
  if (!touched) return timers;
  const next = new Map(timers);
  if (input.kind === 'timer') next.delete(input.name);
  for (const output of outputs) {
    if (output.kind === 'cancel_timer') next.delete(output.name);
    if (output.kind !== 'timer') continue;
    const { name, dueMs, data = {} } = output;
    next.set(name, { name, dueMs, data, setAt: entry.version, cause: causeOf(entry) });
  }
  return next;
};

const pendingAfter = (pending: readonly PendingCommand[], entry: InboxEntry): readonly PendingCommand[] => {
  const { input, outputs } = entry;
  const left =
    input.kind === 'command_result'
      ? pending.filter((c) => c.version !== input.of.version || c.index !== input.of.index)
      : pending;
  const added = outputs.flatMap((output, index) =>
    output.kind === 'command'
      ? [{ type: output.type, payload: output.payload, version: entry.version, index, cause: causeOf(entry) }]
      : [],
  );
  return added.length === 0 ? left : [...left, ...added];
};
