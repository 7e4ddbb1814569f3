import type { Cancel, Clock, Timers } from '#kernel';

/** Long runs give way after this, so that beats and priority messages are not kept waiting. */
const SLICE_MS = 8;

/**
 * Collects the instances that events named and refreshes each once: what comes within a few milliseconds is compiled
 * together, and an instance named many times meanwhile is still one entry.
 */
export class Refresher {
  readonly dirty = new Set<string>();
  private sinceMs = 0;
  private scheduled: Cancel | undefined;

  constructor(
    private readonly clock: Pick<Clock, 'monotonicMs'>,
    private readonly timers: Timers,
    private readonly coalesceMs: number,
    private readonly refresh: (instanceId: string, changedAtMs: number) => void,
    private readonly finished: () => void,
  ) {}

  schedule(): void {
    if (this.dirty.size === 0 || this.scheduled !== undefined) return;
    this.sinceMs = this.clock.monotonicMs();
    this.scheduled = this.timers.after(this.coalesceMs, () => this.run());
  }

  stop(): void {
    this.scheduled?.();
    this.dirty.clear();
  }

  private run(): void {
    const end = this.clock.monotonicMs() + SLICE_MS;
    for (const instanceId of this.dirty) {
      this.dirty.delete(instanceId);
      this.refresh(instanceId, this.sinceMs);
      if (this.clock.monotonicMs() < end) continue;
      this.scheduled = this.timers.after(0, () => this.run());
      return;
    }
    this.scheduled = undefined;
    this.finished();
  }
}
