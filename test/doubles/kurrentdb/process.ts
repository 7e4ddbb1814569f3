import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

interface StoredEvent {
  readonly stream: string;
  readonly id: string;
  readonly revision: number;
}

/** The stand-in as a process of its own, with its log in a file: it may be killed at any moment and started again. */
export class KurrentProcess {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly root: string,
    private readonly file: string,
    readonly port: number,
  ) {}

  static async start(root: string, file: string): Promise<KurrentProcess> {
    const one = new KurrentProcess(root, file, await freePort());
    await one.start();
    return one;
  }

  get url(): string {
    return `kurrentdb://127.0.0.1:${this.port}?tls=false`;
  }

  async start(): Promise<void> {
    const main = join(this.root, 'dist/test/doubles/kurrentdb/main.js');
    const argv = [main, '--port', String(this.port), '--file', this.file];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child = child;
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the KurrentDB stand-in ended with ${code}`)));
      child.stdout.once('data', () => resolve());
    });
  }

  async kill(): Promise<void> {
    const child = this.child;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  /** Every event of Drover's that is on disk, in the order of the log. */
  stored(): StoredEvent[] {
    const lines = readFileSync(this.file, 'utf8')
      .split('\n')
      .filter((line) => line.endsWith(']'));
    return lines.flatMap((line) => JSON.parse(line) as StoredEvent[]).filter((e) => e.stream.startsWith('drover.'));
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
