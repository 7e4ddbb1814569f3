import type { Cancel, Clock, Timers } from '#kernel';

interface Due {
  at: number;
  seq: number;
  run: (() => void) | undefined;
}

/** Virtual time: a heap of what is due. Between two of them promises settle. */
export class SimClock {
  now = 0;
  private readonly heap: Due[] = [];
  private seq = 0;

  schedule(at: number, run: () => void): Cancel {
    const due: Due = { at: Math.max(at, this.now), seq: this.seq++, run };
    this.push(due);
    return () => void (due.run = undefined);
  }

  /** Runs the next one due before `until`; false when there is none. */
  step(until: number): boolean {
    const next = this.heap[0];
    if (next === undefined || next.at > until) return false;
    this.pop();
    this.now = next.at;
    next.run?.();
    return true;
  }

  private less(a: number, b: number): boolean {
    const [x, y] = [this.heap[a]!, this.heap[b]!];
    return x.at < y.at || (x.at === y.at && x.seq < y.seq);
  }

  private swap(a: number, b: number): void {
    [this.heap[a], this.heap[b]] = [this.heap[b]!, this.heap[a]!];
  }

  private push(due: Due): void {
    let i = this.heap.push(due) - 1;
    for (let up = (i - 1) >> 1; i > 0 && this.less(i, up); up = (i - 1) >> 1) {
      this.swap(i, up);
      i = up;
    }
  }

  private pop(): void {
    const last = this.heap.pop()!;
    if (this.heap.length === 0) return;
    this.heap[0] = last;
    for (let i = 0; ;) {
      const [l, r] = [2 * i + 1, 2 * i + 2];
      let least = i;
      if (l < this.heap.length && this.less(l, least)) least = l;
      if (r < this.heap.length && this.less(r, least)) least = r;
      if (least === i) return;
      this.swap(i, least);
      i = least;
    }
  }
}

/** Promises that wait for nothing but other promises have settled after this. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 40; i++) await undefined;
};

/** A process: its timers and what is delivered to it wait while it is paused, and never come once it is dead. */
export class Zone implements Clock, Timers {
  alive = true;
  pausedUntil = 0;

  constructor(
    private readonly clock: SimClock,
    /** A monotonic clock of its own; the wall clock may be stepped. */
    private readonly base: number,
    private readonly wall: { offset: number } = { offset: 0 },
  ) {}

  monotonicMs(): number {
    return this.base + this.clock.now;
  }

  wallMs(): number {
    return Date.UTC(2026, 0, 1) + this.clock.now + this.wall.offset;
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.at(this.clock.now + Math.max(0, delayMs), run);
  }

  /** Like a machine's: a tick that was missed is made up for once, not many times. */
  every(intervalMs: number, run: () => void): Cancel {
    let cancel: Cancel = () => undefined;
    let stopped = false;
    const again = (): void => {
      cancel = this.after(intervalMs, () => {
        if (stopped) return;
        again();
        run();
      });
    };
    again();
    return () => {
      stopped = true;
      cancel();
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  private at(at: number, run: () => void): Cancel {
    let cancel: Cancel = () => undefined;
    const plan = (when: number): void => {
      cancel = this.clock.schedule(when, () => {
        if (!this.alive) return;
        if (this.clock.now < this.pausedUntil) plan(this.pausedUntil);
        else run();
      });
    };
    plan(at);
    return () => cancel();
  }
}
