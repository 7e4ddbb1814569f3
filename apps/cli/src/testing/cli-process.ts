import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

export interface Answer {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** What it has written to stdout so far, whole lines only. */
  lines(): readonly string[];
  err(): string;
  readonly ended: Promise<Answer>;
}

interface More {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** For the Node that runs it. */
  readonly node?: readonly string[];
  readonly cwd?: string;
}

/** The CLI as people run it: a process of its own with nothing in its environment but what is given. */
export class CliProcesses {
  private readonly open = new Set<ChildProcess>();

  constructor(
    private readonly root: string,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  start(words: string | readonly string[], more: More = {}): Running {
    const argv = typeof words === 'string' ? words.split(' ') : words;
    return this.spawn(process.execPath, [...(more.node ?? []), this.program, ...argv], more);
  }

  /** As it is written for a shell; `npx` is the CLI without npx's own second of start-up. */
  shell(script: string, cwd: string): Promise<Answer> {
    const npx = `npx() { shift; "${process.execPath}" "${this.program}" "$@"; }`;
    return this.spawn('bash', ['-c', `${npx}\n${script}`], { cwd, env: { PATH: process.env['PATH'] ?? '' } }).ended;
  }

  private get program(): string {
    return join(this.root, 'bin/drover.mjs');
  }

  private spawn(file: string, args: readonly string[], more: More): Running {
    const child = spawn(file, args, {
      cwd: more.cwd ?? this.env['HOME'],
      env: { ...this.env, ...more.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.open.add(child);
    let out = '';
    let err = '';
    child.stdout.on('data', (part: Buffer) => (out += part.toString()));
    child.stderr.on('data', (part: Buffer) => (err += part.toString()));
    // It may end before it has read anything.
    child.stdin.on('error', () => undefined);
    child.stdin.end(more.stdin ?? '');
    const ended = new Promise<Answer>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        this.open.delete(child);
        resolve({ code, out: out.replace(/\n+$/, ''), err: err.replace(/\n+$/, '') });
      });
    });
    return { child, ended, lines: () => out.split('\n').slice(0, -1), err: () => err };
  }

  run(words: string | readonly string[], more: More = {}): Promise<Answer> {
    return this.start(words, more).ended;
  }

  /** Whatever a failed test left running. */
  killAll(): void {
    for (const child of this.open) child.kill('SIGKILL');
  }
}

/** Polls; machines differ tenfold. */
export const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const begun = performance.now();
  while (performance.now() - begun < 60_000) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within a minute: ${what}`);
};
