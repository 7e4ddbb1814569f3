import { Worker } from 'node:worker_threads';
import type pg from 'pg';
import { checkChunk, type Chunk, type ChunkOutcome } from './chunk.js';

/** Where chunks are checked. */
export interface ChunkRunner {
  /** How many may be under way at once. */
  readonly lanes: number;
  run(chunk: Chunk): Promise<ChunkOutcome>;
  close(): Promise<void>;
}

/** In this thread, over connections of the pool. */
export const inlineRunner = (pool: pg.Pool): ChunkRunner => ({
  lanes: 1,
  run: async (chunk) => {
    const client = await pool.connect();
    let whole = false;
    try {
      const outcome = await checkChunk(client, chunk);
      whole = true;
      return outcome;
    } finally {
      client.release(!whole);
    }
  },
  close: async () => undefined,
});

export interface WorkerAnswer {
  readonly outcome?: ChunkOutcome;
  readonly error?: string;
}

/**
 * In threads of their own, so that a check of a long log neither waits for this thread nor keeps it from its work. Threads load
 * compiled files only: where the sources run directly (tests), use `inlineRunner`.
 */
export const workerRunner = (connection: pg.ClientConfig, lanes: number): ChunkRunner => {
  const file = new URL('./chunk-worker.js', import.meta.url);
  const idle: Worker[] = [];
  const all: Worker[] = [];
  const take = (): Worker => {
    const known = idle.pop();
    if (known !== undefined) return known;
    const fresh = new Worker(file, { workerData: connection });
    all.push(fresh);
    return fresh;
  };
  return {
    lanes,
    run: async (chunk) => {
      const worker = take();
      const { outcome, error } = await ask(worker, chunk);
      if (outcome === undefined) throw new Error(`a thread that checks the log failed: ${error}`);
      idle.push(worker);
      return outcome;
    },
    close: async () => {
      await Promise.all(all.map((worker) => worker.terminate()));
    },
  };
};

const ask = (worker: Worker, chunk: Chunk): Promise<WorkerAnswer> =>
  new Promise((resolve) => {
    const settle = (answer: WorkerAnswer) => {
      worker.off('message', settle).off('error', failed).off('exit', ended);
      resolve(answer);
    };
    const failed = (error: unknown) => settle({ error: error instanceof Error ? error.message : String(error) });
    const ended = (code: number) => settle({ error: `it ended with code ${code}` });
    worker.once('message', settle).once('error', failed).once('exit', ended);
    worker.postMessage(chunk);
  });

/** Compiled code runs in threads; sources do not. */
export const threadsAreAvailable = (): boolean => import.meta.url.endsWith('.js');
