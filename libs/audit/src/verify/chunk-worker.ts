import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import { errorMessage } from '#kernel';
import { checkChunk, type Chunk } from './chunk.js';
import type { WorkerAnswer } from './chunk-runner.js';

/** Of this thread alone, on Linux: the platform's own work comes first. */
const NICE = 5;

const start = (): void => {
  const port = parentPort;
  if (port === null) throw new Error('this file runs in a worker thread');
  setPriority(NICE);
  const client = new pg.Client({ ...(workerData as pg.ClientConfig), application_name: 'drover-verify' });
  const connected = client.connect();
  connected.catch((error: unknown) => port.postMessage({ error: errorMessage(error) } satisfies WorkerAnswer));
  client.on('error', (error) => port.postMessage({ error: error.message } satisfies WorkerAnswer));
  const answer = async (chunk: Chunk): Promise<void> => {
    await connected;
    port.postMessage({ outcome: await checkChunk(client, chunk) } satisfies WorkerAnswer);
  };
  port.on('message', (chunk: Chunk) => {
    answer(chunk).catch((error: unknown) => port.postMessage({ error: errorMessage(error) } satisfies WorkerAnswer));
  });
};

start();
