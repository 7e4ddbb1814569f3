import type { Pool } from 'pg';
import { MemoryCheckpoints } from '../adapters/memory/memory-checkpoints.js';
import { MemoryFaults } from '../adapters/memory/memory-faults.js';
import { MemoryLeaderLock } from '../adapters/memory/memory-leader-lock.js';
import { MemoryReadModelStore } from '../adapters/memory/memory-read-model-store.js';
import { OverlayReadModelStore } from '../adapters/memory/overlay-read-model-store.js';
import { MemoryTimerIndex } from '../adapters/memory/memory-timer-index.js';
import { PostgresCheckpoints } from '../adapters/postgres/postgres-checkpoints.js';
import { PostgresFaults } from '../adapters/postgres/postgres-faults.js';
import { PostgresLeaderLock, type LeaseOptions } from '../adapters/postgres/postgres-leader-lock.js';
import { PostgresReadModelStore } from '../adapters/postgres/postgres-read-model-store.js';
import { PostgresTimerIndex } from '../adapters/postgres/postgres-timer-index.js';
import type { CheckpointStore } from '../feed/checkpoints.js';
import type { FaultStore } from '../feed/lane.js';
import type { TimerIndex } from '../process/timer-index.js';
import type { ReadModelSnapshot } from '../projections/read-model-snapshot.js';
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
  /** What readers see now, for whoever has to read all of it as of one moment. It must be closed. */
  snapshot(): Promise<ReadModelSnapshot>;
}

const ROLE = 'processing';

/** Needs migrations 0100 to 0199. One connection of the pool is kept for the leader's lock. */
export const postgresStorage = (pool: Pool, lease: LeaseOptions = {}): ProcessingStorage => {
  const readModels = new PostgresReadModelStore(pool);
  return {
    readModels,
    checkpoints: new PostgresCheckpoints(pool),
    faults: new PostgresFaults(pool),
    leader: new PostgresLeaderLock(pool, ROLE, lease),
    timers: (epoch) => new PostgresTimerIndex(pool, ROLE, epoch),
    snapshot: () => readModels.snapshot(),
  };
};

/** Outlives a host, so that restarts can be played in one process. */
export const memoryStorage = (): ProcessingStorage & { readonly readModels: MemoryReadModelStore } => {
  const readModels = new MemoryReadModelStore();
  return { ...besides(), readModels, snapshot: () => readModels.snapshot() };
};

/** For a fork of a platform: what it writes stays in memory, and its read models go their own way from a snapshot. */
export const forkedStorage = (): ProcessingStorage & { readonly readModels: OverlayReadModelStore } => ({
  ...besides(),
  readModels: new OverlayReadModelStore(),
  snapshot: () => Promise.reject(new Error('a fork is not forked again')),
});

const besides = () => {
  const timers = new MemoryTimerIndex();
  return {
    checkpoints: new MemoryCheckpoints(),
    faults: new MemoryFaults(),
    leader: new MemoryLeaderLock(),
    timers: (epoch: number) => timers.forEpoch(epoch),
  };
};
