import type { Position } from '#event-store';
import type { Fault } from '../feed/lane.js';
import { processDecisions, type Decided } from '../process/decisions.js';
import { checkpointOf } from '../process/manager-lane.js';
import type { ProcessManager } from '../process-manager.js';
import type { ReadModels } from '../projection.js';

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
  /** Undefined on a process that does not lead. */
  readonly state: LaneStatus['state'] | undefined;
  /** Events of the feed that it has not seen yet; undefined on a process that does not lead, and where they cannot be counted. */
  readonly lag: number | undefined;
  readonly faults: readonly { readonly lane: string; readonly error: string; readonly attempts: number }[];
}

export const introspectionOf = async (
  manager: ProcessManager,
  readModels: ReadModels,
  { lanes, faults }: ProcessingStatus,
): Promise<Introspection> => {
  const doc = await readModels.get(processDecisions, manager.name);
  const lane = lanes.find(({ name }) => name === checkpointOf(manager));
  const mine = (f: Fault) =>
    f.lane === checkpointOf(manager) ||
    f.lane.includes(`pm_${manager.name}-`) ||
    f.lane.startsWith(`timer:${manager.name}-`);
  return {
    agent_id: manager.agentId,
    process_manager: manager.name,
    inputs: doc?.inputs ?? 0,
    decisions: doc?.decisions ?? [],
    state: lane?.state,
    lag: lane?.behind,
    faults: faults.filter(mine).map(({ lane, error, attempts }) => ({ lane, error, attempts })),
  };
};
