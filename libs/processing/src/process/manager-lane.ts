import { categoryOf } from '#kernel';
import type { Position, RecordedEvent } from '#event-store';
import type { CheckpointStore } from '../feed/checkpoints.js';
import type { Lane } from '../feed/lane.js';
import type { ProcessManager } from '../process-manager.js';
import type { ProcessEngine } from './engine.js';

/**
 * A process manager on the feed: every event that it correlates goes into the inbox of its instance, in order. The
 * checkpoint follows the inboxes; what is read again after a crash is recognised by its event id.
 */
export class ManagerLane implements Lane {
  private skipped = 0;

  constructor(
    private readonly engine: ProcessEngine,
    readonly manager: ProcessManager,
    private readonly checkpoints: CheckpointStore,
    private readonly epoch: number,
    private at: Position,
  ) {}

  get name(): string {
    return checkpointOf(this.manager);
  }

  get position(): Position {
    return this.at;
  }

  async apply(events: readonly RecordedEvent[], through: Position): Promise<void> {
    let took = false;
    for (const event of events) {
      if (event.position <= this.at || categoryOf(event.stream).startsWith('pm_')) continue;
      took = (await this.engine.take(this.manager, event)) || took;
      // Inbox after inbox, so that a later event's failure does not take these in again.
      this.at = event.position;
    }
    this.skipped += events.length;
    if (took || this.skipped >= SAVE_EVERY) {
      await this.checkpoints.save(this.name, through, this.epoch);
      this.skipped = 0;
    }
    this.at = through;
  }
}

/** Events of no interest need no checkpoint of their own: reading a few of them again costs next to nothing. */
const SAVE_EVERY = 500;

export const checkpointOf = (manager: ProcessManager): string => `process:${manager.name}`;
