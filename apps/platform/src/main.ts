import 'reflect-metadata';
import { fstatSync } from 'node:fs';
import {
  armFailpoints,
  ConfigError,
  errorMessage,
  FailpointError,
  parseConfig,
  requireNode24,
  type Config,
  type Log,
} from '#kernel';
import { EmbeddedPostgresError, MigrationError } from '#event-store';
import { createLog } from './adapters/pino-log.js';
import { openStore } from './parts/event-store.js';
import type { RunningPlatform } from './platform.js';

const STOP_BOUND_MS = 10_000;
/**
 * Node cuts small buffers out of slabs of 64 KiB, and a few bytes that a connection keeps (its ALPN list, the head of a message) keep
 * their slab: 24 MiB with 1,000 agents. In bytes.
 */
const BUFFER_POOL = 2_048;

Buffer.poolSize = BUFFER_POOL;

const fail = (message: string): never => {
  process.stderr.write(`${message}\n`);
  process.exit(1);
};

/**
 * Whether what is written here is kept for more people than may read the token's file: in a journal (as systemd documents it: a
 * terminal that was started by a unit inherits the variable but not the stream), or as the log of a container, whose first process
 * this is or was started by.
 */
const isKeptForOthers = (): boolean => {
  if (process.pid === 1 || process.ppid === 1) return true;
  const { dev, ino } = fstatSync(1);
  return process.env.JOURNAL_STREAM === `${dev}:${ino}`;
};

const announce = (log: Log, config: Config, platform: RunningPlatform): void => {
  const { tokenFile } = platform.foundation.access;
  log.info({ url: platform.httpUrl }, 'HTTP API');
  log.info({ url: `${platform.httpUrl}/mcp` }, 'MCP (Streamable HTTP)');
  log.info({ address: platform.agentAddress }, 'agents (gRPC, mTLS)');
  log.info({ address: platform.enrollAddress }, 'enrolment (gRPC)');
  log.info({ where: platform.foundation.opened.where }, 'event store');
  log.info({ dir: config.DROVER_DATA_DIR, token_file: tokenFile }, 'data');
  if (platform.firstToken !== undefined && !isKeptForOthers()) {
    process.stdout.write(`\nFirst operator token (shown once, kept in ${tokenFile}):\n\n  ${platform.firstToken}\n\n`);
  }
  log.info({}, `ready in ${Math.round(performance.now())} ms`);
};

/** The first signal stops in order and in bounded time; the second one does not wait. */
const stopOnSignal = (log: Log, platform: RunningPlatform): void => {
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(130);
    stopping = true;
    log.info({ signal }, 'stopping; a second signal stops at once');
    setTimeout(() => fail(`still stopping after ${STOP_BOUND_MS / 1000} s, giving up`), STOP_BOUND_MS).unref();
    platform.close().then(
      () => process.exit(0),
      (error: unknown) => fail(`stop failed: ${errorMessage(error)}`),
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
};

const main = async (): Promise<void> => {
  requireNode24(process.version, fail);
  const config = parseConfig(process.env);
  const failpoints = armFailpoints(process.env);
  const log = createLog(config, process.stdout);
  if (failpoints.length > 0) log.warn({ failpoints }, 'failpoints are armed: this platform will crash or stall');
  // Postgres starts in its own process while this one loads its modules.
  const [opened, { startPlatform }] = await Promise.all([openStore(config, log), import('./platform.js')]);
  const platform = await startPlatform({ config, log, opened });
  stopOnSignal(log, platform);
  announce(log, config, platform);
};

/** What an operator can put right; anything else is a bug and shows where it came from. */
const isForOperators = (error: unknown): error is Error =>
  error instanceof ConfigError ||
  error instanceof FailpointError ||
  error instanceof EmbeddedPostgresError ||
  error instanceof MigrationError;

main().catch((error: unknown) => {
  if (isForOperators(error)) fail(error.message);
  fail(`the platform could not start: ${error instanceof Error ? error.stack : String(error)}`);
});
