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

  /** Instances side by side, each one's events in order; so one commit of the store carries many inboxes. */
  async apply(events: readonly RecordedEvent[], through: Position): Promise<void> {
    const inboxes = [...this.byInstance(events)];
    const work = async () => {
      for (let next = inboxes.shift(); next !== undefined; next = inboxes.shift()) {
        for (const event of next[1]) await this.engine.take(this.manager, next[0], event);
      }
    };
    const took = inboxes.length > 0;
    const done = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, inboxes.length) }, work));
    // After all have ended: what they took in is recognised when the batch comes again.
    for (const one of done) if (one.status === 'rejected') throw one.reason;
    this.skipped += events.length;
    if (took || this.skipped >= SAVE_EVERY) {
      await this.checkpoints.save(this.name, through, this.epoch);
      this.skipped = 0;
    }
    this.at = through;
  }

  private byInstance(events: readonly RecordedEvent[]): Map<string, RecordedEvent[]> {
    const inboxes = new Map<string, RecordedEvent[]>();
    for (const event of events) {
      // Inboxes are on the feed too; a manager that read them would answer itself.
      if (event.position <= this.at || categoryOf(event.stream).startsWith('pm_')) continue;
      const id = this.manager.correlate(event);
      if (id === undefined) continue;
      const inbox = inboxes.get(id);
      if (inbox === undefined) inboxes.set(id, [event]);
      else inbox.push(event);
    }
    return inboxes;
  }
}

const AT_ONCE = 32;
/** Events of no interest need no checkpoint of their own: reading a few of them again costs next to nothing. */
const SAVE_EVERY = 500;

export const checkpointOf = (manager: ProcessManager): string => `process:${manager.name}`;
