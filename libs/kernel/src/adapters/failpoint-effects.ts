import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';

/** What a failpoint does to the process it is in. */
export interface FailpointEffects {
  /** False when another process was first. */
  claim(name: string): boolean;
  /** SIGKILL to this very process: nothing after it runs. */
  kill(): void;
  sleep(ms: number): Promise<void>;
  block(ms: number): void;
}

/** `dir`: where those that acted are noted down, so that each acts once, whichever process reaches it first. */
export const failpointEffects = (dir?: string): FailpointEffects => ({
  claim: (name) => {
    if (dir === undefined) return true;
    try {
      closeSync(openSync(join(dir, name), 'wx'));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  },
  kill: () => {
    process.kill(process.pid, 'SIGKILL');
    // The signal is delivered before the call returns; should it not be, nothing else may happen either.
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
  },
  sleep: (ms) => new Promise((resolve) => void setTimeout(resolve, ms)),
  block: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
});
