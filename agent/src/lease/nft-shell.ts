import type { Cancel, Timers } from '#kernel';
import type { Piped, Processes } from '../ports.js';

interface Pending {
  readonly marker: string;
  readonly cancel: Cancel;
  resolve(): void;
  reject(error: Error): void;
}

/** Well within a lease: whoever goes on another way afterwards must still be in time for it. */
const DEADLINE_MS = 400;

/**
 * One long-lived `nft -i`: a refresh costs a write and not a process. Its standard output is buffered when it is a pipe, so the
 * answer is asked for on standard error: every line is followed by one that nft cannot parse and quotes back.
 */
export class NftShell {
  private child: Piped | undefined;
  private heard = '';
  private serial = 0;
  private pending: Pending[] = [];
  private closed = false;

  constructor(
    private readonly processes: Pick<Processes, 'openPipe'>,
    private readonly timers: Timers,
  ) {}

  /** Resolves when the kernel has it; rejects with what nft said. Lines are carried out in order. */
  run(line: string): Promise<void> {
    const marker = `ack-${++this.serial}`;
    return new Promise((resolve, reject) => {
      const cancel = this.timers.after(DEADLINE_MS, () => this.end(`no answer within ${DEADLINE_MS} ms`));
      this.pending.push({ marker, cancel, resolve, reject });
      this.opened().write(`${line}\n${marker}\n`);
    });
  }

  /** Has the process there before it is needed: what it takes to start would come on top of an outage. */
  warm(): void {
    if (!this.closed) this.opened();
  }

  close(): void {
    this.closed = true;
    this.end('closed');
  }

  private opened(): Piped {
    if (this.child !== undefined) return this.child;
    const child = this.processes.openPipe('nft', ['-i'], {
      onStderr: (text) => this.hear(child, text),
      onEnd: (reason) => {
        if (this.child === child) this.end(reason);
      },
    });
    this.heard = '';
    return (this.child = child);
  }

  private hear(child: Piped, text: string): void {
    if (this.child !== child) return;
    this.heard += text;
    for (let next = this.pending[0]; next !== undefined; next = this.pending[0]) {
      const end = new RegExp(`(?:^|\\n)Error: syntax error[^\\n]*\\n${next.marker}\\n[^\\n]*\\^\\n?`).exec(this.heard);
      if (end === null) return;
      const said = this.heard.slice(0, end.index).trim();
      this.heard = this.heard.slice(end.index + end[0].length);
      this.pending.shift();
      next.cancel();
      if (said === '') next.resolve();
      else next.reject(new Error(said.split('\n').slice(0, 2).join(' ')));
    }
  }

  private end(reason: string): void {
    const { pending, child } = this;
    this.pending = [];
    this.child = undefined;
    child?.kill();
    for (const { cancel, reject } of pending) {
      cancel();
      reject(new Error(`nft: ${reason}`));
    }
  }
}
