import type { Pool } from 'pg';
import { MemoryCheckpoints } from '../adapters/memory/memory-checkpoints.js';
import { MemoryFaults } from '../adapters/memory/memory-faults.js';
import { MemoryLeaderLock } from '../adapters/memory/memory-leader-lock.js';
import { MemoryReadModelStore } from '../adapters/memory/memory-read-model-store.js';
import { MemoryTimerIndex } from '../adapters/memory/memory-timer-index.js';
import { PostgresCheckpoints } from '../adapters/postgres/postgres-checkpoints.js';
import { PostgresFaults } from '../adapters/postgres/postgres-faults.js';
import { PostgresLeaderLock, type LeaseOptions } from '../adapters/postgres/postgres-leader-lock.js';
import { PostgresReadModelStore } from '../adapters/postgres/postgres-read-model-store.js';
import { PostgresTimerIndex } from '../adapters/postgres/postgres-timer-index.js';
import type { CheckpointStore } from '../feed/checkpoints.js';
import type { FaultStore } from '../feed/lane.js';
import type { TimerIndex } from '../process/timer-index.js';
import type { ReadModelStore } from '../projections/read-model-store.js';
import type { LeaderLock } from './leader.js';

/** All that processing keeps outside the log. Postgres in the platform, whatever the event store; memory in tests. */
export interface ProcessingStorage {
  readonly readModels: ReadModelStore;
  readonly checkpoints: CheckpointStore;
  readonly faults: FaultStore;
  readonly leader: LeaderLock;
  /** The timer index for the runner with this epoch. */
  timers(epoch: number): TimerIndex;
}

const ROLE = 'processing';

/** Needs migrations 0100 to 0199. One connection of the pool is kept for the leader's lock. */
export const postgresStorage = (pool: Pool, lease: LeaseOptions = {}): ProcessingStorage => ({
  readModels: new PostgresReadModelStore(pool),
  checkpoints: new PostgresCheckpoints(pool),
  faults: new PostgresFaults(pool),
  leader: new PostgresLeaderLock(pool, ROLE, lease),
  timers: (epoch) => new PostgresTimerIndex(pool, ROLE, epoch),
});

/** Outlives a host, so that restarts can be played in one process. */
export const memoryStorage = (): ProcessingStorage & { readonly readModels: MemoryReadModelStore } => {
  const timers = new MemoryTimerIndex();
  return {
    readModels: new MemoryReadModelStore(),
    checkpoints: new MemoryCheckpoints(),
    faults: new MemoryFaults(),
    leader: new MemoryLeaderLock(),
    timers: (epoch) => timers.forEpoch(epoch),
  };
};
