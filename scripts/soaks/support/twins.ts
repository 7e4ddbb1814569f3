import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startEmbeddedPostgres } from '#event-store';
import { choosePorts, type PlatformPorts } from '../../../apps/lab/src/platform-process.js';

const ANY = { http: 0, agents: 0, enroll: 0 };

export interface Twin {
  readonly name: string;
  readonly url: string;
  readonly logFile: string;
  child: ChildProcess;
  /** Resolves with the end of the process that runs now. */
  ended: Promise<void>;
}

/** Two platform processes on one Postgres server, each with ports and a data directory of its own. */
export class Twins {
  private constructor(
    private readonly root: string,
    private readonly dir: string,
    readonly databaseUrl: string,
    private readonly stopServer: () => Promise<void>,
    readonly twins: readonly [Twin, Twin],
    readonly token: string,
  ) {}

  /** `root` has the compiled platform in dist/. */
  static async start(root: string): Promise<Twins> {
    const dir = mkdtempSync(join(tmpdir(), 'drover-twins-'));
    const server = await startEmbeddedPostgres({ dataDir: join(dir, 'server'), dieWithParent: true });
    const databaseUrl = await freshDatabase(server.connectionString);
    const stop = () => server.stop();
    try {
      const first = launch(root, dir, 'a', databaseUrl, await choosePorts(ANY));
      await ready(first);
      // What docs/runbooks/several-platforms.md says of a further process.
      mkdirSync(join(dir, 'b'), { mode: 0o700 });
      for (const shared of ['master.key', 'ca'])
        cpSync(join(dir, 'a', shared), join(dir, 'b', shared), { recursive: true });
      const second = launch(root, dir, 'b', databaseUrl, await choosePorts(ANY));
      await ready(second);
      const token = readFileSync(join(dir, 'a', 'admin.token'), 'utf8').trim();
      return new Twins(root, dir, databaseUrl, stop, [first, second], token);
    } catch (error) {
      await stop();
      throw error;
    }
  }

  async leader(boundMs = 60_000): Promise<Twin> {
    const deadline = performance.now() + boundMs;
    for (;;) {
      for (const twin of this.twins) if (await leads(twin)) return twin;
      if (performance.now() > deadline) throw new Error(`nobody leads after ${boundMs} ms`);
      await sleep(10);
    }
  }

  other(twin: Twin): Twin {
    return this.twins.find((t) => t !== twin)!;
  }

  /** Milliseconds from the signal to the moment in which the other one leads. */
  async takeOver(
    signal: 'SIGKILL' | 'SIGSTOP',
    boundMs: number,
  ): Promise<{ readonly victim: Twin; readonly tookMs: number }> {
    const victim = await this.leader();
    const heir = this.other(victim);
    const began = performance.now();
    process.kill(victim.child.pid!, signal);
    while (!(await leads(heir))) {
      if (performance.now() - began > boundMs)
        throw new Error(`${heir.name} does not lead ${boundMs} ms after ${signal}`);
      await sleep(10);
    }
    return { victim, tookMs: Math.round(performance.now() - began) };
  }

  async restart(twin: Twin): Promise<void> {
    await twin.ended;
    const { port } = new URL(twin.url);
    const fresh = launch(this.root, this.dir, twin.name, this.databaseUrl, {
      ...(await choosePorts(ANY)),
      http: Number(port),
    });
    twin.child = fresh.child;
    twin.ended = fresh.ended;
    await ready(twin);
  }

  /** One tool call at one of them; throws when it is refused or nobody answers within two seconds. */
  async call<T>(twin: Twin, tool: string, args: object): Promise<T> {
    const response = await fetch(`${twin.url}/api/v1/tools/${tool}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(args),
      signal: AbortSignal.timeout(2_000),
    });
    const body = (await response.json()) as { success: boolean; data: T; error: { message: string } };
    if (!body.success) throw new Error(`${tool}: ${body.error.message}`);
    return body.data;
  }

  /** The same call again, at one and the other, until one answers. */
  async insist<T>(tool: string, args: object): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.call<T>(this.twins[attempt % 2]!, tool, args);
      } catch (error) {
        if (attempt > 60) throw error;
        await sleep(50);
      }
    }
  }

  async stopPlatforms(): Promise<void> {
    for (const { child } of this.twins) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      process.kill(child.pid!, 'SIGCONT');
      process.kill(child.pid!, 'SIGTERM');
    }
    await Promise.all(this.twins.map(({ ended }) => ended));
  }

  async close(): Promise<void> {
    await this.stopPlatforms();
    await this.stopServer();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const launch = (root: string, dir: string, name: string, databaseUrl: string, ports: PlatformPorts): Twin => {
  const logFile = join(dir, `${name}.log`);
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(process.execPath, [join(root, 'dist/apps/platform/src/main.js')], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: databaseUrl,
      DROVER_DATA_DIR: join(dir, name),
      DROVER_HTTP_ADDR: `127.0.0.1:${ports.http}`,
      DROVER_AGENT_ADDR: `127.0.0.1:${ports.agents}`,
      DROVER_ENROLL_ADDR: `127.0.0.1:${ports.enroll}`,
    },
    stdio: ['ignore', log, log],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return { name, url: `http://127.0.0.1:${ports.http}`, logFile, child, ended };
};

const answers = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
};

const leads = (twin: Twin): Promise<boolean> => answers(`${twin.url}/readyz/leading`);

const ready = async (twin: Twin): Promise<void> => {
  const deadline = performance.now() + 60_000;
  while (!(await answers(`${twin.url}/healthz`))) {
    if (twin.child.exitCode !== null)
      throw new Error(`platform ${twin.name} ended: ${readFileSync(twin.logFile, 'utf8').slice(-2_000)}`);
    if (performance.now() > deadline) throw new Error(`platform ${twin.name} does not come up`);
    await sleep(50);
  }
};

const freshDatabase = async (connectionString: string): Promise<string> => {
  const url = new URL(connectionString.replace('@/', '@localhost/'));
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  await client.query('CREATE DATABASE twins');
  await client.end();
  url.pathname = '/twins';
  return url.href;
};
