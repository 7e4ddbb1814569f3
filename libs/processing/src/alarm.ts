import type { Timers } from '#kernel';

/** Lets loops sleep until something happens, a time has passed, or they are to stop; whichever is first. */
export class Alarm {
  private readonly waiting = new Set<() => void>();

  ring(): void {
    for (const wake of [...this.waiting]) wake();
  }

  wait(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const wake = () => {
        cancel();
        this.waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const cancel = timers.after(ms, wake);
      this.waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
