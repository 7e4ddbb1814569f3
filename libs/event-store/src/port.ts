import type { EventLinks, Severity } from '#kernel';

/**
 * A place in the one global order. Opaque outside the platform; inside it may only be compared and printed, except that
 * "just before an event" is its position less one: reading after that begins with the event.
 */
export type Position = bigint & { readonly __position: true };
export const position = (value: bigint | number | string): Position => BigInt(value) as Position;
export const START = position(0);

export interface Actor {
  readonly kind: 'operator' | 'agent' | 'process_manager' | 'system';
  readonly id: string;
}

/** The operator's call behind a command: kept with its first events, so that a story can begin where it began. */
export interface ToolOrigin {
  readonly tool: string;
  /** What was asked, in short: no structures, nothing long, nothing that looks like a secret. */
  readonly arguments: Readonly<Record<string, string | number | boolean | null>>;
}

/** Who caused an event, why, and what it is about. `commandId` makes the event's id, so a retry finds it again. */
export interface EventMeta {
  readonly accountId: string;
  readonly actor: Actor;
  readonly commandId: string;
  readonly correlationId: string;
  readonly causationId: string;
  /** ISO 8601, milliseconds, from the command. */
  readonly occurredAt: string;
  readonly severity: Severity;
  readonly links: EventLinks;
  readonly topics: readonly string[];
  /** Only on what a tool's own commands append; what follows from it bears the same correlation id. */
  readonly via?: ToolOrigin;
}

export interface NewEvent {
  /** uuid; deterministic over command id, stream and index. */
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly meta: EventMeta;
}

export interface RecordedEvent extends NewEvent {
  readonly stream: string;
  /** 1 for the first event of a stream. */
  readonly version: number;
  readonly position: Position;
  /** ISO 8601; never goes back along the log. */
  readonly recordedAt: string;
}

/** A version (the number of events in the stream), or a statement about the stream's existence. */
export type Expected = number | 'no_stream' | 'stream_exists' | 'any';

export interface AppendRequest {
  readonly stream: string;
  readonly expected: Expected;
  /** At least one; the canonical JSON of one event is at most 1 MiB. */
  readonly events: readonly NewEvent[];
}

export type AppendOutcome =
  | { readonly kind: 'appended'; readonly version: number; readonly position: Position }
  /** Every event of the request is already in this stream: an earlier try of the same command succeeded. */
  | { readonly kind: 'duplicate'; readonly version: number; readonly position: Position }
  /** The expectation does not hold. `actual` is the stream's version, 0 when there is none. */
  | { readonly kind: 'conflict'; readonly actual: number };

export interface ReadAllOptions {
  readonly limit: number;
  /** Only streams of these categories (what stands before the first dash of the stream's name). */
  readonly categories?: readonly string[];
}

/** A run of consecutive events; `through` is the position up to which nothing was left out. */
export interface Batch {
  readonly events: readonly RecordedEvent[];
  readonly through: Position;
}

export interface SubscribeOptions {
  readonly signal: AbortSignal;
  /** At most this many events a batch; default 500. */
  readonly batchSize?: number;
  readonly categories?: readonly string[];
}

export interface Capabilities {
  readonly adapter: 'memory' | 'postgres' | 'kurrentdb';
  /** Positions are 1, 2, 3, … without gaps. */
  readonly densePositions: boolean;
  /** The store keeps the hash chain itself; otherwise the sealer computes it. */
  readonly nativeChain: boolean;
  /** An event id is refused when another stream has it. Ids are made over the stream's name, so this only finds bugs. */
  readonly uniqueIds: boolean;
}

/**
 * The event store. `append` is atomic per request; a duplicate (same event ids) is recognised before a conflict is
 * answered. `subscribe` delivers every event after a position exactly once and in order, first from the log, then live,
 * pulling the next batch only when the consumer asks; it ends on abort and throws only when the store is gone for good.
 */
export interface EventStore {
  readonly capabilities: Capabilities;
  append(request: AppendRequest): Promise<AppendOutcome>;
  /** Events of one stream in order, from `fromVersion` (1 by default). An absent stream is empty. */
  readStream(stream: string, fromVersion?: number): AsyncIterable<RecordedEvent>;
  readAll(after: Position, options: ReadAllOptions): Promise<Batch>;
  subscribe(after: Position, options: SubscribeOptions): AsyncIterable<Batch>;
  /**
   * The last events, at most `limit`, before a position (that of an event), or before the end of the log, newest first;
   * none only when there are none. Stores have it whose positions cannot be counted back.
   */
  readBackwards?(before: Position | undefined, limit: number): Promise<readonly RecordedEvent[]>;
  /** The position of the last event, START when the log is empty. */
  head(): Promise<Position>;
  close(): Promise<void>;
}

export const MAX_EVENT_BYTES = 1024 * 1024;

/** The store is down or refuses; the caller may retry the same request, which is safe because event ids are deterministic. */
export class EventStoreUnavailableError extends Error {
  override readonly name = 'EventStoreUnavailableError';
}

/** The request can never be accepted (empty, too large, malformed names); a bug in the caller. */
export class InvalidAppendError extends Error {
  override readonly name = 'InvalidAppendError';
}

export const EVENT_STORE = Symbol('EventStore');
