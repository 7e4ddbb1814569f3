/** A token bucket: `burst` at once, then `perSecond`. What may end in an event must not come as fast as an agent can send. */
export class Budget {
  private left: number;
  private atMs: number;

  constructor(
    private readonly burst: number,
    private readonly perSecond: number,
    nowMs: number,
  ) {
    this.left = burst;
    this.atMs = nowMs;
  }

  /** False when it is used up. */
  take(nowMs: number): boolean {
    const elapsedMs = Math.max(0, nowMs - this.atMs);
    this.left = Math.min(this.burst, this.left + (elapsedMs / 1_000) * this.perSecond);
    this.atMs = nowMs;
    if (this.left < 1) return false;
    this.left--;
    return true;
  }
}
