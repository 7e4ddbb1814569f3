import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

export interface PlatformProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** All that it wrote so far. */
  output(): string;
  /** Where HTTP listens, once it is ready; rejects with the output when it ends before. */
  ready(): Promise<string>;
  exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

/** `node dist/apps/platform/src/main.js` with a clean environment. What it writes to a file of the caller's is not in its output. */
export const startProcess = (
  root: string,
  env: Readonly<Record<string, string>>,
  stdout: 'pipe' | number = 'pipe',
): PlatformProcess => {
  const child = spawn(process.execPath, [join(root, 'dist/apps/platform/src/main.js')], {
    cwd: root,
    env: { PATH: process.env.PATH, DROVER_AGENT_ADDR: '127.0.0.1:0', DROVER_ENROLL_ADDR: '127.0.0.1:0', ...env },
    stdio: ['ignore', stdout, 'pipe'],
  });
  let text = '';
  const listeners = new Set<() => void>();
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
  for (const stream of streams) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      for (const listener of listeners) listener();
    });
  }
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    // Not 'close': a Postgres that outlives its killed parent would keep it from coming.
    child.on('exit', (code, signal) => setTimeout(() => resolve({ code, signal }), 50)),
  );
  void exited.then(() => streams.forEach((stream) => stream.destroy()));
  const ready = () =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        if (!text.includes('ready in ')) return;
        listeners.delete(look);
        resolve(/http:\/\/127\.0\.0\.1:\d+/.exec(text)![0]);
      };
      listeners.add(look);
      look();
      void exited.then(() => reject(new Error(`the platform ended:\n${text}`)));
    });
  return { child, pid: child.pid!, output: () => text, ready, exited };
};
