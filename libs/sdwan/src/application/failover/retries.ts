import type { Cancel, Clock, Timers } from '#kernel';

/** Until when each virtual IP is left alone; then somebody looks at once, and not only at the next tick. */
export class Retries {
  private readonly until = new Map<string, number>();
  private readonly cancels = new Map<string, Cancel>();

  constructor(
    private readonly clock: Pick<Clock, 'monotonicMs'>,
    private readonly timers: Pick<Timers, 'after'>,
    private readonly look: (vipId: string) => void,
  ) {}

  waits(vipId: string): boolean {
    return (this.until.get(vipId) ?? -Infinity) > this.clock.monotonicMs();
  }

  in(vipId: string, ms: number): void {
    this.until.set(vipId, this.clock.monotonicMs() + ms);
    this.cancels.get(vipId)?.();
    const wake = (): void => {
      this.cancels.delete(vipId);
      // Timers count whole milliseconds and may come up to one early: the look must not find that it is to wait.
      this.until.delete(vipId);
      this.look(vipId);
    };
    this.cancels.set(vipId, this.timers.after(ms, wake));
  }

  /** Something has changed: nobody has to wait. Who was to be looked at still is: the change may be about another one. */
  clear(): void {
    this.until.clear();
  }

  stop(): void {
    for (const cancel of this.cancels.values()) cancel();
    this.cancels.clear();
  }

  /** Clocks must be the same. */
  adopt(other: Retries): void {
    for (const [vipId, at] of other.until) this.until.set(vipId, at);
  }
}
