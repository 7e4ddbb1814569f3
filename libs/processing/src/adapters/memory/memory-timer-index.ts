import type { DueTimer, TimerEntry, TimerIndex } from '../../process/timer-index.js';

export class MemoryTimerIndex implements TimerIndex {
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
