import type { Position } from '#event-store';
import type { Fault } from '../feed/lane.js';
import type { Decided } from '../process/decisions.js';

export interface LaneStatus {
  readonly name: string;
  readonly kind: 'projection' | 'process_manager';
  readonly position: Position;
  readonly state: 'live' | 'catching_up' | 'building' | 'faulted';
  /** Events not applied yet; undefined where positions have gaps and cannot be counted. */
  readonly behind: number | undefined;
}

export interface ProcessingStatus {
  /** `waiting`: another process runs projections and process managers; this one only reads. */
  readonly role: 'leading' | 'waiting' | 'stopped';
  readonly epoch: number | undefined;
  readonly head: Position;
  readonly lanes: readonly LaneStatus[];
  /** Of all processes. */
  readonly faults: readonly Fault[];
}

export interface Introspection {
  readonly agent_id: string;
  readonly process_manager: string;
  /** Inputs taken in since the beginning. */
  readonly inputs: number;
  /** The last ones, newest last. */
  readonly decisions: readonly Decided[];
  /** Events of the feed that it has not seen yet; undefined on a process that does not lead. */
  readonly lag: number | undefined;
  readonly faults: readonly { readonly lane: string; readonly error: string; readonly attempts: number }[];
}
