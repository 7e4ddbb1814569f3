import type { Clock, Timers } from '#kernel';
import type { Wire } from './wire.js';

/** Bytes handed to the transport and not yet taken by the consumer, at most; half of it must be free to go on. */
export const WINDOW_BYTES = 64 * 1024;

/** Writes at the consumer's pace. What is not taken stays here, bounded; how long nothing was taken is known. */
export class Outflow {
  private outstanding = 0;
  private progressMs: number;
  private wake: (() => void) | undefined;

  constructor(
    private readonly wire: Wire,
    private readonly clock: Pick<Clock, 'monotonicMs'>,
    private readonly timers: Timers,
  ) {
    this.progressMs = clock.monotonicMs();
  }

  get pending(): number {
    return this.outstanding;
  }

  /** Milliseconds in which the consumer took nothing although something was there for it. */
  stuckMs(): number {
    return this.outstanding === 0 ? 0 : this.clock.monotonicMs() - this.progressMs;
  }

  write(bytes: Buffer): void {
    if (this.outstanding === 0) this.progressMs = this.clock.monotonicMs();
    this.outstanding += bytes.length;
    this.wire.write(bytes, () => {
      this.outstanding -= bytes.length;
      this.progressMs = this.clock.monotonicMs();
      if (this.outstanding <= WINDOW_BYTES / 2) this.wake?.();
    });
  }

  /** Resolves when there is room; `stuck` when nothing was taken for `boundMs`. */
  async room(boundMs: number, signal: AbortSignal): Promise<'room' | 'stuck' | 'ended'> {
    if (this.outstanding <= WINDOW_BYTES) return signal.aborted ? 'ended' : 'room';
    for (;;) {
      if (signal.aborted) return 'ended';
      if (this.outstanding <= WINDOW_BYTES / 2) return 'room';
      const left = boundMs - this.stuckMs();
      if (left <= 0) return 'stuck';
      await this.woken(left, signal);
    }
  }

  private woken(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.wake = undefined;
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.timers.after(ms, done);
      this.wake = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
