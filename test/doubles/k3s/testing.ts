import { writeFileSync } from 'node:fs';
import { Lab } from '../../../apps/lab/src/lab.js';
import { underlayOf } from '../../../apps/lab/src/namespace.js';
import { childrenOf, signal, until, type Output } from '../../../apps/lab/src/processes.js';
import { compiledCopy } from '../../../apps/platform/src/testing/compiled-copy.js';

/** Set when the real k3s is under test: it takes longer, and has none of the stand-in's knobs. */
export const REAL_K3S = process.env['DROVER_K3S_BIN'];
/** For what never comes: machines differ tenfold. */
export const PATIENCE_MS = 180_000;

/** A command that goes on running on a machine, and all it said so far. */
export interface Running {
  text(): string;
  /** Ends it as Ctrl-C would. */
  end(): void;
  readonly ended: Promise<void>;
}

/** Machines s1, s2, s3 and w1 with a k3s each when told to, and a workstation with kubectl. */
export class Cluster {
  private constructor(
    readonly lab: Lab,
    readonly bin: string,
  ) {}

  /** Machines reach these ports of 127.0.0.1 on GATEWAY_V4. */
  static async create(machines: readonly string[], ports: readonly number[] = [9]): Promise<Cluster> {
    const { root, k3s } = compiledCopy();
    return new Cluster(await Lab.create({ hosts: machines, platformPorts: ports, root }), REAL_K3S ?? k3s);
  }

  ip(machine: string): string {
    return underlayOf(this.lab.host(machine).index).v6;
  }
  url(machine: string): string {
    return `https://[${this.ip(machine)}]:6443`;
  }

  on(machine: string, ...argv: string[]): Promise<Output> {
    return this.lab.exec(machine, argv);
  }
  kubectl(...args: string[]): Promise<Output> {
    return this.on('workstation', 'kubectl', '--request-timeout=4s', ...args);
  }
  /** Rejects when kubectl refuses. */
  async ask(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  follow(machine: string, ...argv: string[]): Running {
    const child = this.lab.spawn(machine, argv);
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    return { text: () => text, end: () => void signal(childrenOf(child.pid!)[0] ?? child.pid!, 'SIGINT'), ended };
  }

  k3s(machine: string, command: 'server' | 'agent', ...flags: string[]): Running {
    const knobs = ['K3S_DOUBLE_HISTORY=200', 'K3S_DOUBLE_LEASE_RENEW_MS=1000', 'K3S_DOUBLE_NODE_GRACE_MS=4000'];
    knobs.push('K3S_DOUBLE_LEADER_LEASE_MS=3000');
    return this.follow(machine, 'env', ...knobs, this.bin, command, '--node-ip', this.ip(machine), ...flags);
  }

  /** Waits for the node's own Ready condition as kubectl shows it. */
  async ready(node: string, k3s: Running): Promise<void> {
    try {
      await until(
        `${node} is Ready`,
        async () => new RegExp(`^${node} +Ready`, 'm').test((await this.kubectl('get', 'nodes')).stdout),
        PATIENCE_MS,
        150,
      );
    } catch (cause) {
      throw new Error(`${String(cause)}\n${k3s.text().slice(-2_000)}`, { cause });
    }
  }

  /** The kubeconfig of a server for the workstation. */
  async useKubeconfigOf(machine: string): Promise<void> {
    const read = () => this.on(machine, 'cat', '/etc/rancher/k3s/k3s.yaml');
    await until(`${machine} has written its kubeconfig`, async () => (await read()).code === 0, PATIENCE_MS, 50);
    const text = (await read()).stdout.replace('https://127.0.0.1:6443', this.url(machine));
    writeFileSync(this.lab.kubeconfig, text, { mode: 0o600 });
  }

  async end(): Promise<void> {
    await this.lab.destroy();
  }
}
