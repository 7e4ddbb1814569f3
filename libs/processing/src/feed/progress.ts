import type { Position } from '#event-store';

/** How far each projection has come, and who waits for it. */
export class Progress {
  private readonly reached = new Map<string, Position>();
  private readonly waiters = new Set<() => void>();

  /** A name may go back (another table took its place); waiters look again at any change. */
  report(name: string, at: Position): void {
    if (this.reached.get(name) === at) return;
    this.reached.set(name, at);
    this.wake();
  }

  forget(name: string): void {
    this.reached.delete(name);
  }

  get(name: string): Position | undefined {
    return this.reached.get(name);
  }

  wake(): void {
    for (const waiter of [...this.waiters]) waiter();
  }

  /** Resolves at the next change. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = () => {
        this.waiters.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.waiters.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
