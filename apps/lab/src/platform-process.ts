import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createWriteStream, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Heard } from './heard.js';
import { until } from './processes.js';
import { startedAs } from './started-as.js';

export interface PlatformPorts {
  readonly http: number;
  readonly agents: number;
  readonly enroll: number;
}
export interface PlatformOptions {
  readonly root: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly ports: PlatformPorts;
  /** How hosts reach it, e.g. http://10.77.0.1:8080. */
  readonly publicUrl: string;
  readonly provisionerSocket: string;
  readonly env?: Readonly<Record<string, string>>;
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

/**
 * Below the range that the kernel gives to outgoing connections: while the platform is away, a client that tries its port
 * could be given that very port and connect to itself, and the platform could not listen again.
 */
const LISTEN_RANGE = { from: 12_000, to: 32_000 } as const;

export const anyPort = async (): Promise<number> => {
  for (let tries = 0; tries < 200; tries++) {
    const port = randomInt(LISTEN_RANGE.from, LISTEN_RANGE.to);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${LISTEN_RANGE.from} and ${LISTEN_RANGE.to}`);
};

/** The documented ports when they are free, others when something else listens there or another lab is about to. */
export const choosePorts = async (
  preferred: PlatformPorts = { http: 8080, agents: 7443, enroll: 7444 },
  taken: ReadonlySet<number> = new Set(),
): Promise<PlatformPorts> => {
  const free = await Promise.all(
    Object.values(preferred).map((port: number) => port !== 0 && !taken.has(port) && isFree(port)),
  );
  if (free.every((yes) => yes)) return preferred;
  return { http: await anyPort(), agents: await anyPort(), enroll: await anyPort() };
};

const QUIET = ['warn', 'error', 'fatal', 'silent'];

/** The platform as `npm start` runs it, as a child, with everything on the loopback. */
export class PlatformProcess {
  private child: ChildProcess | undefined;

  constructor(private readonly options: PlatformOptions) {}

  get httpUrl(): string {
    return `http://127.0.0.1:${this.options.ports.http}`;
  }
  get token(): string {
    return readFileSync(join(this.options.dataDir, 'admin.token'), 'utf8').trim();
  }
  get pid(): number {
    return this.child!.pid!;
  }

  /** How the process that was started last has ended; undefined while it runs. */
  get endedBy(): NodeJS.Signals | number | undefined {
    return this.child?.signalCode ?? this.child?.exitCode ?? undefined;
  }

  async start(): Promise<void> {
    const { root, dataDir, ports, publicUrl, provisionerSocket, logFile } = this.options;
    const log = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
    const own = {
      DROVER_DATA_DIR: dataDir,
      DROVER_HTTP_ADDR: `127.0.0.1:${ports.http}`,
      DROVER_AGENT_ADDR: `127.0.0.1:${ports.agents}`,
      DROVER_ENROLL_ADDR: `127.0.0.1:${ports.enroll}`,
      DROVER_PUBLIC_URL: publicUrl,
      DROVER_PROVISIONER: `lab=${provisionerSocket}`,
    };
    const inherited = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('DROVER_') || name === 'DROVER_LOG_LEVEL'),
    );
    const { env, flags } = startedAs(root);
    const all: Record<string, string | undefined> = { ...inherited, ...env, ...own, ...this.options.env };
    // It stops, and its Postgres with it, when whoever started it is killed.
    const argv = ['--pdeathsig', 'TERM', process.execPath, ...flags, join(root, 'dist/apps/platform/src/main.js')];
    const child = spawn('setpriv', argv, {
      cwd: root,
      env: all,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.child = child;
    // Another platform that took the port meanwhile would answer /readyz as well.
    const heard = new Heard('ready in ', QUIET.includes(all['DROVER_LOG_LEVEL'] ?? ''));
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        log.write(chunk);
        heard.hear(chunk.toString());
      });
    // Not 'exit': what it said last is still in the pipes then.
    const ended = new Promise<void>((resolve) => child.once('close', () => log.end(resolve)));
    await until(
      'the platform is ready',
      async () => {
        if (child.exitCode !== null || child.signalCode !== null) {
          await ended;
          throw new Error(`the platform ended (${child.signalCode ?? child.exitCode}):\n${heard.end}`);
        }
        return heard.isSaid && (await fetch(`${this.httpUrl}/readyz`).catch(() => undefined))?.ok === true;
      },
      180_000,
      50,
    );
  }

  async stop(name: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(name);
    await ended;
  }
}
