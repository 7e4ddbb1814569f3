import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Lab } from '../../../apps/lab/src/lab.js';
import { childrenOf, signal } from '../../../apps/lab/src/processes.js';

interface Mark {
  readonly word: 'served' | 'ended';
  readonly atMs: number;
}

/** An open watch on the cluster's API, seen from a machine: when one was served and when it ended. */
export class WatchLog {
  private readonly marks: Mark[] = [];
  /** All that the watch said, for the logs. */
  readonly lines: string[] = [];
  private rest = '';

  private constructor(private readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk: Buffer) => this.read(chunk.toString()));
  }

  static start(lab: Lab, host: string): WatchLog {
    const main = join(lab.root, 'dist/scripts/benches/support/watch-main.js');
    return new WatchLog(lab.spawn(host, ['nice', '-n', '-10', process.execPath, main, lab.kubeconfig]));
  }

  isServed(): boolean {
    return this.marks.at(-1)?.word === 'served';
  }

  /**
   * From `sinceMs`, when the VIP answered again, until a watch was served that stayed; or from when the old one broke, where
   * that came earlier. A watch that did not break went on at the old holder, where nothing comes any more: it counts until now.
   */
  recoveryMs(sinceMs: number, fromMs: number, toMs: number): number {
    const inside = this.marks.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
    const broke = inside.find(({ word }) => word === 'ended');
    const last = inside.at(-1);
    if (broke === undefined || last?.word !== 'served') return toMs - sinceMs;
    return Math.max(0, last.atMs - sinceMs);
  }

  /** When the watch broke first in the window. */
  brokeAtMs(fromMs: number, toMs: number): number | undefined {
    return this.marks.find(({ word, atMs }) => word === 'ended' && atMs >= fromMs && atMs < toMs)?.atMs;
  }

  stop(): void {
    signal(childrenOf(this.child.pid!)[0] ?? this.child.pid!, 'SIGKILL');
  }

  private read(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop()!;
    for (const line of lines) {
      const [word, at] = line.split(' ');
      this.lines.push(line);
      if (word === 'served' || word === 'ended') this.marks.push({ word, atMs: Number(at) });
    }
  }
}
