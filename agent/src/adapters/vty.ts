import { connect } from 'node:net';
import { parseAnswer, type Vty, type VtyAnswer, type VtyConnection } from '../frr/vty.js';

const ANSWER_MS = 10_000;

interface Waiting {
  resolve(answer: VtyAnswer): void;
  reject(error: Error): void;
}

/** A stream socket; the protocol has no way to tell answers apart, so there is one question at a time. */
const open = (path: string): Promise<VtyConnection> =>
  new Promise((resolve, reject) => {
    const socket = connect({ path });
    const queue: { command: string; waiting: Waiting }[] = [];
    let current: Waiting | undefined;
    let chunks: Buffer[] = [];
    let ended: Error | undefined;
    const end = (error: Error) => {
      if (ended !== undefined) return;
      ended = error;
      socket.destroy();
      reject(error);
      for (const waiting of [...(current === undefined ? [] : [current]), ...queue.map((q) => q.waiting)])
        waiting.reject(error);
      current = undefined;
      queue.length = 0;
    };
    const next = () => {
      const entry = current === undefined ? queue.shift() : undefined;
      if (entry === undefined) return;
      current = entry.waiting;
      socket.setTimeout(ANSWER_MS);
      socket.write(`${entry.command}\0`);
    };
    const connection: VtyConnection = {
      ask: (command) =>
        new Promise<VtyAnswer>((answered, failed) => {
          if (ended !== undefined) return failed(ended);
          queue.push({ command, waiting: { resolve: answered, reject: failed } });
          next();
        }),
      close: () => end(new Error('closed')),
    };
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      const answer = parseAnswer(chunks.length === 1 ? chunk : Buffer.concat(chunks));
      if (answer === undefined || current === undefined) return;
      const waiting = current;
      current = undefined;
      chunks = [];
      socket.setTimeout(0);
      waiting.resolve(answer);
      next();
    });
    socket.once('connect', () => resolve(connection));
    socket.once('timeout', () => end(new Error(`no answer from ${path} within ${ANSWER_MS} ms`)));
    socket.once('error', end);
    socket.once('close', () => end(new Error(`${path} was closed by the daemon`)));
  });

export const systemVty: Vty = { connect: open };
