import { FencedError } from '../../feed/lane.js';
import type { DueTimer, TimerEntry, TimerIndex } from '../../process/timer-index.js';

export class MemoryTimerIndex implements TimerIndex {
  private latest = 0;
  private readonly byInstance = new Map<string, readonly DueTimer[]>();

  async sync(manager: string, instance: string, timers: readonly TimerEntry[]): Promise<void> {
    const key = `${manager}-${instance}`;
    if (timers.length === 0) this.byInstance.delete(key);
    else
      this.byInstance.set(
        key,
        timers.map(({ name, dueMs, setAt }) => ({ manager, instance, name, dueMs, setAt })),
      );
  }

  /** The index as the runner with this epoch may use it: a later one shuts it out. */
  forEpoch(epoch: number): TimerIndex {
    this.latest = Math.max(this.latest, epoch);
    return {
      sync: async (manager, instance, timers) => {
        if (epoch < this.latest) throw new FencedError(`epoch ${epoch} no longer leads`);
        await this.sync(manager, instance, timers);
      },
      due: (nowMs, limit) => this.due(nowMs, limit),
      next: () => this.next(),
    };
  }

  async due(nowMs: number, limit: number): Promise<readonly DueTimer[]> {
    return this.sorted()
      .filter((timer) => timer.dueMs <= nowMs)
      .slice(0, limit);
  }

  async next(): Promise<number | undefined> {
    return this.sorted()[0]?.dueMs;
  }

  private sorted(): DueTimer[] {
    return [...this.byInstance.values()].flat().sort((a, b) => a.dueMs - b.dueMs);
  }
}
