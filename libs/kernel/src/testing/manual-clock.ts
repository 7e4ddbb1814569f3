import type { Cancel, Clock, Timers } from '../clock.js';
import type { Ids } from '../ids.js';
import type { Random } from '../random.js';

/** A clock and timers that move only when the test says so. Due callbacks run in time order, ties in the order made. */
export class ManualClock implements Clock, Timers {
  private nowMs: number;
  private sequence = 0;
  private readonly due: { at: number; seq: number; run: () => void; every?: number }[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.nowMs = startMs;
  }

  wallMs(): number {
    return this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.add(delayMs, run);
  }

  every(intervalMs: number, run: () => void): Cancel {
    return this.add(intervalMs, run, intervalMs);
  }

  /** Runs everything due within the next `ms`, letting promises settle after each callback. */
  async advance(ms: number): Promise<void> {
    const end = this.nowMs + ms;
    for (;;) {
      const next = this.due.filter((t) => t.at <= end).sort((a, b) => a.at - b.at || a.seq - b.seq)[0];
      if (next === undefined) break;
      this.nowMs = Math.max(this.nowMs, next.at);
      if (next.every === undefined) this.remove(next);
      else next.at += next.every;
      next.run();
      await settle();
    }
    this.nowMs = end;
    await settle();
  }

  private add(delayMs: number, run: () => void, every?: number): Cancel {
    const timer = { at: this.nowMs + delayMs, seq: this.sequence++, run, ...(every === undefined ? {} : { every }) };
    this.due.push(timer);
    return () => this.remove(timer);
  }

  private remove(timer: { seq: number }): void {
    const index = this.due.findIndex((t) => t.seq === timer.seq);
    if (index >= 0) this.due.splice(index, 1);
  }
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Uuids in sequence: `00000000-0000-4000-8000-000000000001`, … */
export const sequentialIds = (): Ids => {
  let next = 0;
  return { uuid: () => `00000000-0000-4000-8000-${(++next).toString(16).padStart(12, '0')}` };
};

/** Deterministic bytes from a seed (mulberry32). Not for keys. */
export const seededRandom = (seed: number): Random => {
  let state = seed >>> 0;
  const unit = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { unit, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(unit() * 256)) };
};
