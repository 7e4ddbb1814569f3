import type { Position } from '#event-store';

/** Named durable positions, fenced by the epoch of the runner that moves them. */
export interface CheckpointStore {
  /** Takes the named checkpoints over for a runner and answers where they are; a new one starts at the beginning. */
  claim(names: readonly string[], epoch: number): Promise<ReadonlyMap<string, Position>>;
  /** Throws FencedError once a later epoch has claimed. */
  save(name: string, position: Position, epoch: number): Promise<void>;
}
