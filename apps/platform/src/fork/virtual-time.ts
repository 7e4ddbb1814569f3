import type { Cancel, Clock, Timers } from '#kernel';

interface Due {
  readonly seq: number;
  readonly run: () => void;
  readonly everyMs?: number;
  atMs: number;
}

/** Turns of the event loop after which nothing that was runnable is left: promises settle within one, imports within a few. */
const QUIET_TURNS = 4;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Time that passes only when everything has come to rest. Begins at a real moment, so that what the platform knows of its agents
 * keeps its meaning. What really takes time (reads of the log) is told to it with `during`.
 */
export class VirtualTime implements Clock, Timers {
  private passedMs = 0;
  private seq = 0;
  private moves = 0;
  private due: Due[] = [];
  private readonly busy = new Set<Promise<unknown>>();

  constructor(private began: { readonly wallMs: number; readonly monotonicMs: number }) {}

  /** Lets time begin at this moment. Timers that were set before keep their distance from the beginning. */
  beginAt(now: { readonly wallMs: number; readonly monotonicMs: number }): void {
    if (this.passedMs > 0) throw new Error('virtual time has passed already');
    this.began = now;
  }

  wallMs(): number {
    return this.began.wallMs + this.passedMs;
  }

  monotonicMs(): number {
    return this.began.monotonicMs + this.passedMs;
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.add({ seq: this.seq++, atMs: this.passedMs + Math.max(0, delayMs), run });
  }

  every(intervalMs: number, run: () => void): Cancel {
    return this.add({ seq: this.seq++, atMs: this.passedMs + intervalMs, run, everyMs: Math.max(1, intervalMs) });
  }

  /** Work outside of virtual time: the clock stands still until it has ended. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.busy.add(work);
    try {
      return await work;
    } finally {
      this.busy.delete(work);
      this.moves++;
    }
  }

  /** Until nobody is doing anything but waiting for a timer. */
  async rest(): Promise<void> {
    for (;;) {
      const before = this.moves;
      if (this.busy.size > 0) await Promise.allSettled(this.busy);
      for (let i = 0; i < QUIET_TURNS; i++) await turn();
      if (this.busy.size === 0 && this.moves === before) return;
    }
  }

  /** Runs the next timer that is due by this wall time, and rests; false when there is none. */
  async step(untilWallMs: number): Promise<boolean> {
    const next = this.due.reduce<Due | undefined>((a, b) => (a === undefined || earlier(b, a) ? b : a), undefined);
    if (next === undefined || this.began.wallMs + next.atMs > untilWallMs) return false;
    this.passedMs = Math.max(this.passedMs, next.atMs);
    if (next.everyMs === undefined) this.remove(next.seq);
    else next.atMs += next.everyMs;
    next.run();
    await this.rest();
    return true;
  }

  private add(due: Due): Cancel {
    this.due.push(due);
    return () => this.remove(due.seq);
  }

  private remove(seq: number): void {
    this.due = this.due.filter((due) => due.seq !== seq);
  }
}

const earlier = (a: Due, b: Due): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);
