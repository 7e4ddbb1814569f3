import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { anyPort } from '../../apps/lab/src/platform-process.js';
import { startedAs } from '../../apps/lab/src/started-as.js';

const MAIN = join(import.meta.dirname, '../../apps/platform/src/main.js');
const ROOT = join(import.meta.dirname, '../../..');
const TICKS_PER_SECOND = 100;
const READY_MS = 60_000;

export interface Usage {
  readonly rssMib: number;
  /** Of the platform, seconds since it started. */
  readonly cpuS: number;
  /** Of the embedded Postgres, all its processes. */
  readonly postgresCpuS: number;
}

interface Stat {
  readonly parent: number;
  /** User plus system time, seconds. */
  readonly cpuS: number;
  /** That of its children which have ended. */
  readonly endedCpuS: number;
}

/** Undefined when the process is gone. */
const statOf = (pid: number): Stat | undefined => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ').map(Number);
    const s = (at: number) => (fields[at]! + fields[at + 1]!) / TICKS_PER_SECOND;
    return { parent: fields[1]!, cpuS: s(11), endedCpuS: s(13) };
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
};

/** The real platform in a process of its own, on embedded Postgres, with a data directory and ports that stay over restarts. */
export class PlatformUnderLoad {
  private child: ChildProcess | undefined;
  private output = '';

  private constructor(
    private readonly dataDir: string,
    private readonly ports: readonly [http: number, agents: number, enroll: number],
  ) {}

  static async in(dataDir: string): Promise<PlatformUnderLoad> {
    return new PlatformUnderLoad(dataDir, [await anyPort(), await anyPort(), await anyPort()]);
  }

  get url(): string {
    return `http://127.0.0.1:${this.ports[0]}`;
  }
  get agentAddress(): string {
    return `127.0.0.1:${this.ports[1]}`;
  }
  get enrollAddress(): string {
    return `127.0.0.1:${this.ports[2]}`;
  }
  get token(): string {
    return readFileSync(join(this.dataDir, 'admin.token'), 'utf8').trim();
  }
  get caPem(): string {
    return readFileSync(join(this.dataDir, 'ca/ca.pem'), 'utf8');
  }

  /** Resolves when it is ready for callers and agents. */
  async start(): Promise<void> {
    this.output = '';
    const { env, flags } = startedAs(ROOT);
    const child = spawn(process.execPath, [...flags, MAIN], {
      env: {
        PATH: process.env.PATH,
        ...env,
        DROVER_DATA_DIR: this.dataDir,
        DROVER_HTTP_ADDR: `127.0.0.1:${this.ports[0]}`,
        DROVER_AGENT_ADDR: this.agentAddress,
        DROVER_ENROLL_ADDR: this.enrollAddress,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Ctrl-C is for the bench, which then ends its processes in order.
      detached: true,
    });
    this.child = child;
    const ready = new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(this.failure(`is not ready after ${READY_MS} ms`)), READY_MS);
      child.once('exit', (code, signal) => reject(this.failure(`ended (${signal ?? code})`)));
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          this.output = (this.output + chunk.toString()).slice(-8_000);
          if (!this.output.includes('ready in ')) return;
          clearTimeout(late);
          resolve();
        });
    });
    await ready;
  }

  /** SIGKILL leaves the embedded Postgres to the next start; SIGTERM stops both. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await ended;
  }

  /** After everything, in whatever state it is: the platform, then a Postgres that outlived it. */
  async cleanUp(): Promise<void> {
    await this.end('SIGTERM');
    const pid = this.postmaster()?.pid;
    if (pid === undefined) return;
    process.kill(pid, 'SIGQUIT');
    while (statOf(pid) !== undefined) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  usage(): Usage {
    const pid = this.child!.pid!;
    const rssKib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
    return { rssMib: rssKib / 1024, cpuS: statOf(pid)!.cpuS, postgresCpuS: this.postgresCpuS() };
  }

  /** Where the log can be read while the platform writes it. */
  database(): { readonly host: string; readonly port: number; readonly user: string; readonly database: string } {
    const { socketDir, port } = this.postmaster()!;
    return { host: socketDir, port, user: 'drover', database: 'postgres' };
  }

  private postgresCpuS(): number {
    const postmaster = this.postmaster()?.pid;
    const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    let sum = 0;
    for (const pid of all.map(Number)) {
      const stat = statOf(pid);
      if (pid === postmaster) sum += (stat?.cpuS ?? 0) + (stat?.endedCpuS ?? 0);
      else if (stat?.parent === postmaster) sum += stat?.cpuS ?? 0;
    }
    return sum;
  }

  /** Of the server in this data directory and no other; undefined when there is none. */
  private postmaster(): { readonly pid: number; readonly socketDir: string; readonly port: number } | undefined {
    try {
      const file = join(this.dataDir, 'postgres/cluster/postmaster.pid');
      const [pid, , , port, socketDir] = readFileSync(file, 'utf8').split('\n');
      if (readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== 'postgres') return undefined;
      return { pid: Number(pid), port: Number(port), socketDir: socketDir! };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  private failure(what: string): Error {
    return new Error(`the platform ${what}:\n${this.output}`);
  }
}
