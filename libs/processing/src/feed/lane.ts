import type { EventCatalogue } from '#kernel';
import type { Position, RecordedEvent } from '#event-store';

/**
 * One consumer of the ordered feed with a durable checkpoint of its own: a projection's table or a process manager.
 * `apply` must be atomic with its checkpoint or idempotent, because after a crash it is called again.
 */
export interface Lane {
  /** Unique, for status and logs: `projection:nodes_v1`, `process:vip_failover`. */
  readonly name: string;
  /** Everything up to here has been applied. */
  readonly position: Position;
  /** Applies events after `position` up to `through`; throws, having changed nothing durable, when one of them is poison. */
  apply(events: readonly RecordedEvent[], through: Position): Promise<void>;
  /** An event to be passed without being read at all; `apply` gets it as it is stored. */
  skip?(event: RecordedEvent): boolean;
  /** The lane has all but caught up and may do, outside the live feed, what takes long. Called before it joins. */
  prepare?(): Promise<void>;
}

/** Why a lane stands still. It is tried again with backoff until it moves; nothing is skipped. */
export interface Fault {
  readonly lane: string;
  /** Of the event that cannot be applied; where the lane stands, when it is not an event that keeps it. */
  readonly position: Position;
  readonly error: string;
  readonly attempts: number;
  /** Wall time of the first failure, milliseconds. */
  readonly sinceMs: number;
}

/** Keeps faults where every process, and an operator after a restart, can see them. */
export interface FaultStore {
  record(fault: Fault): Promise<void>;
  clear(lane: string): Promise<void>;
  list(): Promise<readonly Fault[]>;
}

/** Another runner has taken over: this one must stop, its writes are refused. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** The event in its current schema. Throws for a type or version that this build does not know: skipping it would be silent. */
export const current = (event: RecordedEvent, catalogue: EventCatalogue): RecordedEvent => catalogue.current(event);
