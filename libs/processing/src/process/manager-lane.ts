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
  constructor(
    private readonly engine: ProcessEngine,
    readonly manager: ProcessManager,
    private readonly checkpoints: CheckpointStore,
    private readonly epoch: number,
    private at: Position,
    /** Called with each instance that took something in. */
    private readonly taken: (manager: ProcessManager, instance: string) => void,
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
      const instance = await this.engine.take(this.manager, event);
      if (instance === undefined) continue;
      took = true;
      this.taken(this.manager, instance);
    }
    await this.checkpoints.save(this.name, through, this.epoch, took ? 'now' : 'soon');
    this.at = through;
  }
}

export const checkpointOf = (manager: ProcessManager): string => `process:${manager.name}`;
