import type { ChildProcess } from 'node:child_process';
import { signal, childrenOf } from '../processes.js';

export interface ProbeResult {
  /** Milliseconds between two consecutive answers, at most. */
  readonly longestGapMs: number;
  readonly sent: number;
  readonly lost: number;
}

/** What a probe needs of a lab: processes on a machine. */
export interface Spawner {
  spawn(name: string, argv: readonly string[]): ChildProcess;
}

const ANSWER = /^\[(\d+\.\d+)\].*icmp_seq=(\d+) ttl=/gm;

/** The shortest at which iputils' ping sleeps between two packets (16 ms in fact): below it spins and takes a whole core. */
const EVERY_S = '0.01';

/** ICMP every few milliseconds with the kernel's time stamps (-D); stopped by SIGINT so that ping prints its totals. */
export class PingProbe {
  private text = '';
  private readonly startedAt = Date.now() / 1000;
  private readonly ended: Promise<void>;

  constructor(private readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
    this.ended = new Promise((resolve) => child.once('close', () => resolve()));
  }

  static start(lab: Spawner, host: string, address: string): PingProbe {
    const family = address.includes(':') ? '-6' : '-4';
    return new PingProbe(lab.spawn(host, ['ping', family, '-n', '-D', '-i', EVERY_S, address]));
  }

  /** How many answers there have been. */
  get answered(): number {
    return [...this.text.matchAll(ANSWER)].length;
  }

  async stop(): Promise<ProbeResult> {
    const endedAt = Date.now() / 1000;
    const inside = childrenOf(this.child.pid!)[0] ?? this.child.pid!;
    signal(inside, 'SIGINT');
    await this.ended;
    const answers = [...this.text.matchAll(ANSWER)].map((match) => ({ at: Number(match[1]), seq: Number(match[2]) }));
    const times = answers.map((answer) => answer.at);
    // Silence before the first and after the last answer counts as well.
    const marks = [this.startedAt + 0.1, ...times, Math.max(endedAt, times.at(-1) ?? 0)];
    const gaps = marks.slice(1).map((time, i) => time - marks[i]!);
    const sent = Number(/(\d+) packets transmitted/.exec(this.text)?.[1] ?? 0);
    // The very last one may still have been under way; what counts is missing between answers.
    const inFlight = answers.length > 0 && answers.at(-1)!.seq === sent - 1 ? 1 : 0;
    return { longestGapMs: Math.max(0, ...gaps) * 1000, sent, lost: sent - answers.length - inFlight };
  }
}
