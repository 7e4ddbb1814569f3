import { chmod, mkdir, open, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import pg from 'pg';
import {
  backoffMs,
  errorMessage,
  silentLog,
  sleep,
  systemRandom,
  systemTimers,
  type Log,
  type Random,
  type Timers,
} from '#kernel';
import { prepareBinaries } from './binaries.js';
import { ensureCluster, SUPERUSER } from './cluster.js';
import { DataDirInUseError, EmbeddedPostgresError } from './errors.js';
import { tryConnect, takeOwnership } from './owner.js';
import { chooseRunAs } from './run-as.js';
import { postmasterPid, spawnServer, stopServer, type ServerSettings } from './server-process.js';
import { chooseSocketDir, removeSocketDir, secureSocketDir, SOCKET_PORT } from './socket-dir.js';

export interface EmbeddedPostgresOptions {
  /** Everything lives in here: the cluster, its log, the socket (where the path is short enough). Made when absent. */
  readonly dataDir: string;
  readonly log?: Log;
  readonly timers?: Timers;
  readonly random?: Pick<Random, 'unit'>;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly dieWithParent?: boolean;
}

export interface EmbeddedPostgres {
  /** For pg.Pool and pg.Client. */
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
  };
  readonly connectionString: string;
  /** `started` by this process, or `adopted`: it outlived the process that started it. */
  readonly origin: 'started' | 'adopted';
  pid(): Promise<number | undefined>;
  /** Clean shutdown; committed data is on disk in any case. */
  stop(): Promise<void>;
}

const START_LIMIT_MS = 60_000;
/** A server that is still stopping, or whose children linger after a kill -9, goes away by itself: start again then. */
const HELD_BY_ANOTHER = /pre-existing shared memory block|lock file .* already exists|lock file .* is empty/;

/**
 * The real Postgres from npm, on a unix socket only. A server that outlived its killed parent is adopted; one whose
 * owner still lives is refused (DataDirInUseError). Throws EmbeddedPostgresError with advice when it cannot run.
 */
export const startEmbeddedPostgres = async (options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const home = await realpath(options.dataDir);
  await chmod(home, 0o700);
  const binaries = await prepareBinaries(join(home, 'lib'));
  const runAs = await chooseRunAs(home, [binaries.initdb, binaries.postgres]);
  const cluster = await ensureCluster(home, binaries, runAs);
  const socketDir = await chooseSocketDir(home);
  await secureSocketDir(socketDir, home);
  const logFile = join(home, 'postgres.log');
  const server = new EmbeddedServer(
    home,
    {
      cluster,
      socketDir,
      logFile,
      binaries,
      runAs,
      parameters: options.parameters ?? {},
      dieWithParent: options.dieWithParent ?? false,
    },
    options.timers ?? systemTimers,
    options.log ?? silentLog,
    options.random ?? systemRandom,
  );
  const origin = await server.bringUp();
  const connection = { host: socketDir, port: SOCKET_PORT, user: SUPERUSER, database: 'postgres' };
  return {
    connection,
    connectionString: `postgresql://${SUPERUSER}@/postgres?host=${encodeURIComponent(socketDir)}&port=${SOCKET_PORT}`,
    origin,
    pid: () => postmasterPid(cluster),
    stop: () => server.stop(),
  };
};

/** Keeps the server up: when it dies under us it is started again, and it recovers from its write-ahead log. */
class EmbeddedServer {
  private owner: pg.Client | undefined;
  private stopping = false;
  private revival: Promise<void> | undefined;

  constructor(
    private readonly home: string,
    private readonly settings: ServerSettings,
    private readonly timers: Timers,
    private readonly log: Log,
    private readonly random: Pick<Random, 'unit'>,
  ) {}

  async bringUp(): Promise<'started' | 'adopted'> {
    const { cluster, socketDir, runAs } = this.settings;
    const living = await tryConnect(socketDir);
    if (living !== undefined) {
      await this.own(living);
      this.log.info({ socketDir }, 'adopted the embedded Postgres that was still running');
      return 'adopted';
    }
    let child: ChildProcess | undefined;
    let logStart = 0;
    for (let waited = 0; waited < START_LIMIT_MS && !this.stopping; waited += 20) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
        const said = child === undefined ? '' : await tail(this.settings.logFile, logStart);
        if (child !== undefined && !HELD_BY_ANOTHER.test(said)) throw this.startFailure(said);
        if ((await postmasterPid(cluster)) === undefined) {
          logStart = await sizeOf(this.settings.logFile);
          child = spawnServer(this.settings);
        }
      }
      await sleep(this.timers, 20);
      const client = await tryConnect(socketDir);
      if (client === undefined) continue;
      await this.own(client);
      this.log.info({ socketDir, how: runAs.how }, 'embedded Postgres is up');
      return 'started';
    }
    throw this.startFailure(await tail(this.settings.logFile, logStart));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.revival;
    const owner = this.owner;
    this.owner = undefined;
    const how = await stopServer(this.settings.cluster, this.timers);
    if (owner !== undefined) await owner.end();
    await removeSocketDir(this.settings.socketDir, this.home);
    if (how === 'forced') this.log.warn({}, 'embedded Postgres did not stop in time and was stopped hard');
  }

  private async own(client: pg.Client): Promise<void> {
    try {
      await takeOwnership(client, this.home, this.settings.cluster, this.timers);
    } catch (error) {
      await client.end();
      throw error;
    }
    this.owner = client;
    client.once('end', () => {
      if (this.stopping || this.owner !== client) return;
      this.owner = undefined;
      this.revival = this.revive().finally(() => (this.revival = undefined));
    });
  }

  private async revive(): Promise<void> {
    this.log.warn({}, 'lost the embedded Postgres; starting it again');
    for (let attempt = 0; !this.stopping; attempt++) {
      try {
        await this.bringUp();
        return;
      } catch (error) {
        if (this.stopping) return;
        const text = error instanceof DataDirInUseError ? `${errorMessage(error)} (taken over)` : errorMessage(error);
        this.log.error({ error: text, attempt }, 'cannot start the embedded Postgres; trying again');
        await sleep(
          this.timers,
          backoffMs(attempt, () => this.random.unit(), 250, 5_000),
        );
      }
    }
  }

  private startFailure(said: string): EmbeddedPostgresError {
    return new EmbeddedPostgresError(
      `the embedded Postgres in ${this.home} does not start; the end of ${this.settings.logFile}:\n${said}`,
    );
  }
}

/** The end of what was written to the log since `start`. */
const tail = async (file: string, start: number): Promise<string> => {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const from = Math.max(start, size - 1_500);
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(Math.max(1, size - from)), position: from });
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await handle.close();
  }
};

const sizeOf = async (file: string): Promise<number> => {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
};
