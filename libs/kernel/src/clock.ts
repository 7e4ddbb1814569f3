/** Wall and monotonic time. Only adapters read the machine's clock; everything else is handed one of these. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May step. */
  wallMs(): number;
  /** Milliseconds on a clock that never steps back; only differences mean anything. */
  monotonicMs(): number;
}

export type Cancel = () => void;

/** Delayed work. Callbacks must not throw; a rejected promise of an async callback is the callback's own to handle. */
export interface Timers {
  after(delayMs: number, run: () => void): Cancel;
  every(intervalMs: number, run: () => void): Cancel;
}

export const isoTime = (wallMs: number): string => new Date(wallMs).toISOString();

/** Resolves after `delayMs`, or at once when the signal aborts; it never rejects. */
export const sleep = (timers: Timers, delayMs: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = timers.after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });

/** Exponential backoff with full jitter: `attempt` counts from 0; the result is in milliseconds. */
export const backoffMs = (attempt: number, random: () => number, baseMs = 250, capMs = 30_000): number =>
  Math.round(baseMs / 2 + random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 16)));
