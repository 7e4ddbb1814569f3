import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { z } from 'zod';
import { childrenOf, CommandFailed, firstLine, signal } from '../processes.js';
import type { Spawner } from './ping.js';

const result = z.object({
  /** Milliseconds between two answers to GET /readyz, at most. */
  httpsMs: z.number(),
  httpsFailed: z.number(),
  gets: z.number(),
  /** Milliseconds from the end of a watch to the next one being served, at most. */
  watchMs: z.number(),
  watchesEnded: z.number(),
  watchEvents: z.number(),
});
export type ApiProbeResult = z.infer<typeof result>;

/** A client of the Kubernetes API on a machine: requests over one kept connection, and an open watch of the nodes. */
export class ApiProbe {
  private text = '';
  private readonly ended: Promise<void>;

  private constructor(private readonly child: ChildProcess) {
    this.ended = new Promise((resolve) => child.once('close', () => resolve()));
  }

  static async start(lab: Spawner, host: string, root: string, kubeconfig: string): Promise<ApiProbe> {
    const main = join(root, 'dist/apps/lab/src/probes/api-main.js');
    const child = lab.spawn(host, [process.execPath, main, kubeconfig]);
    const probe = new ApiProbe(child);
    child.stdout?.on('data', (chunk: Buffer) => (probe.text += chunk.toString()));
    await firstLine(child, 'the API probe');
    return probe;
  }

  async stop(): Promise<ApiProbeResult> {
    signal(childrenOf(this.child.pid!)[0] ?? this.child.pid!, 'SIGINT');
    await this.ended;
    const line = this.text.trimEnd().split('\n').at(-1)!;
    if (!line.startsWith('{')) throw new CommandFailed(`the API probe ended without a result: ${this.text}`);
    return result.parse(JSON.parse(line));
  }
}
