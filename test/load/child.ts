import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

/** A module of this folder in a process of its own, with typed messages both ways. */
export class Child<To extends object, From extends { readonly kind: string }> {
  private readonly process: ChildProcess;
  private readonly waiting = new Set<(message: From) => void>();
  private readonly gone: Promise<never>;
  private expected = false;

  constructor(file: string) {
    this.process = fork(join(import.meta.dirname, file), [], { execArgv: [], detached: true });
    this.process.on('message', (message: From) => this.waiting.forEach((take) => take(message)));
    this.gone = new Promise((_, reject) => {
      this.process.once('exit', (code) => this.expected || reject(new Error(`${file} ended with code ${code}`)));
    });
    this.gone.catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  }

  send(message: To): void {
    this.process.send(message);
  }

  /** The next message of a kind that fits. */
  next<K extends From['kind']>(
    kind: K,
    fits: (m: Extract<From, { kind: K }>) => boolean = () => true,
    withinMs = 120_000,
  ): Promise<Extract<From, { kind: K }>> {
    type M = Extract<From, { kind: K }>;
    const arrived = new Promise<M>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${kind} within ${withinMs} ms`)), withinMs);
      const take = (message: From) => {
        if (message.kind !== kind || !fits(message as M)) return;
        clearTimeout(timer);
        this.waiting.delete(take);
        resolve(message as M);
      };
      this.waiting.add(take);
    });
    return Promise.race([arrived, this.gone]);
  }

  kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return Promise.resolve();
    this.expected = true;
    const exited = new Promise<void>((resolve) => this.process.once('exit', () => resolve()));
    this.process.kill('SIGKILL');
    return exited;
  }
}
