import { spawnSync, type ChildProcess } from 'node:child_process';
import type { Lab } from '../../../apps/lab/src/lab.js';
import { childrenOf, PATH, signal } from '../../../apps/lab/src/processes.js';

interface Answer {
  readonly seq: number;
  readonly atMs: number;
}

export interface Silence {
  /** Milliseconds between two answers, at most. */
  readonly gapMs: number;
  /** When that silence began and ended, by the wall clock; a silence that goes on has no end. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly lost: number;
  readonly answered: number;
}

const ANSWER = /^\[(\d+\.\d+)\] \S+ : \[(\d+)\], \d+ bytes/;
const EVERY_MS = '5';

export const hasPinger = (): boolean =>
  spawnSync('sh', ['-c', 'command -v fping'], { env: { ...process.env, PATH } }).status === 0;

/**
 * Pings an address from a machine every 5 ms, all the time, and remembers when each answer came. At a higher priority than
 * anything else here, or a loaded machine would be measured and not the VIP. By fping, which sleeps: iputils' ping spins when
 * it has to send again within 10 ms, a whole core for each address, and the failover is measured in what that leaves.
 */
export class PingLog {
  private readonly answers: Answer[] = [];
  private rest = '';

  private constructor(private readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk: Buffer) => this.read(chunk.toString()));
  }

  static start(lab: Lab, host: string, address: string): PingLog {
    // What is answered late is answered: left to itself fping takes for lost what needs longer than the interval.
    const fping = ['fping', '-6', '-l', '-D', '-i', '1', '-t', '2000', '-p', EVERY_MS, address];
    return new PingLog(lab.spawn(host, ['nice', '-n', '-15', ...fping]));
  }

  /** The longest silence that ends in the window, or still goes on at its end. */
  silence(fromMs: number, toMs: number): Silence {
    const first = this.after(fromMs);
    const inside = this.answers.slice(first, this.after(toMs));
    const before = this.answers[first - 1];
    const marks = [before?.atMs ?? fromMs, ...inside.map(({ atMs }) => atMs)];
    let worst = { gapMs: 0, fromMs, toMs };
    for (let i = 1; i < marks.length; i++) {
      const gapMs = marks[i]! - marks[i - 1]!;
      if (gapMs > worst.gapMs) worst = { gapMs, fromMs: marks[i - 1]!, toMs: marks[i]! };
    }
    if (toMs - marks.at(-1)! > Math.max(worst.gapMs, 100))
      worst = { gapMs: toMs - marks.at(-1)!, fromMs: marks.at(-1)!, toMs };
    const [low, high] = [before ?? inside[0], inside.at(-1)];
    const sent = low === undefined || high === undefined ? 0 : high.seq - low.seq + (before === undefined ? 1 : 0);
    return { ...worst, lost: Math.max(0, sent - inside.length), answered: inside.length };
  }

  stop(): void {
    signal(childrenOf(this.child.pid!)[0] ?? this.child.pid!, 'SIGINT');
  }

  private after(atMs: number): number {
    let [low, high] = [0, this.answers.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.answers[middle]!.atMs < atMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private read(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop()!;
    for (const line of lines) {
      const [, at, seq] = ANSWER.exec(line) ?? [];
      if (at === undefined) continue;
      this.answers.push({ seq: Number(seq), atMs: Number(at) * 1_000 });
    }
  }
}
