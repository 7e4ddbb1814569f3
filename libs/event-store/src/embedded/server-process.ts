import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep, type Timers } from '#kernel';
import type { PostgresBinaries } from './binaries.js';
import { childEnv, isAlive } from './cluster.js';
import type { RunAs } from './run-as.js';
import { SOCKET_PORT } from './socket-dir.js';

export interface ServerSettings {
  readonly cluster: string;
  readonly socketDir: string;
  readonly logFile: string;
  readonly binaries: PostgresBinaries;
  readonly runAs: RunAs;
  /** Further `name=value` settings of the server. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Tests: the server ends with the thread that started it, so that a killed run leaves nothing behind. */
  readonly dieWithParent: boolean;
}

const DEFAULTS: Readonly<Record<string, string>> = {
  listen_addresses: '',
  port: String(SOCKET_PORT),
  unix_socket_permissions: '0700',
  max_connections: '120',
  shared_buffers: '64MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '1GB',
  jit: 'off',
};

/**
 * Starts postgres in a session of its own: Ctrl-C in the terminal must reach the platform first, and the server
 * outlives a killed parent so that the next start can adopt it.
 */
export const spawnServer = (settings: ServerSettings): ChildProcess => {
  const { binaries, runAs, cluster, socketDir } = settings;
  const parameters = {
    ...DEFAULTS,
    unix_socket_directories: `"${socketDir.replaceAll('"', '""')}"`,
    ...settings.parameters,
  };
  const dieWithParent = settings.dieWithParent ? ['setpriv', '--pdeathsig', 'INT', '--'] : [];
  const words = [...runAs.prefix, ...dieWithParent, binaries.postgres, '-D', cluster];
  for (const [name, value] of Object.entries(parameters)) words.push('-c', `${name}=${value}`);
  const log = openSync(settings.logFile, 'a', 0o600);
  try {
    const child = spawn(words[0]!, words.slice(1), {
      cwd: cluster,
      env: childEnv(binaries),
      detached: true,
      stdio: ['ignore', log, log],
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
};

/** The process id in postmaster.pid when that process lives; undefined otherwise. */
export const postmasterPid = async (cluster: string): Promise<number | undefined> => {
  try {
    const pid = Number((await readFile(join(cluster, 'postmaster.pid'), 'utf8')).split('\n')[0]);
    return Number.isSafeInteger(pid) && pid > 1 && isAlive(pid) && (await isPostgres(pid)) ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** After a reboot the recorded id may belong to anything: only a process named postgres may be signalled. */
const isPostgres = async (pid: number): Promise<boolean> => {
  try {
    return (await readFile(`/proc/${pid}/comm`, 'utf8')).trim() === 'postgres';
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
};

/** Fast shutdown; a server that does not end in time is stopped at once and recovers from its log on the next start. */
export const stopServer = async (cluster: string, timers: Timers): Promise<'stopped' | 'forced' | 'absent'> => {
  const pid = await postmasterPid(cluster);
  if (pid === undefined) return 'absent';
  signal(pid, 'SIGINT');
  if (await ended(pid, 8_000, timers)) return 'stopped';
  signal(pid, 'SIGQUIT');
  if (await ended(pid, 3_000, timers)) return 'forced';
  signal(pid, 'SIGKILL');
  await ended(pid, 2_000, timers);
  return 'forced';
};

const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};

const ended = async (pid: number, forMs: number, timers: Timers): Promise<boolean> => {
  for (let waited = 0; waited < forMs; waited += 10) {
    if (!isAlive(pid) || !(await isPostgres(pid))) return true;
    await sleep(timers, 10);
  }
  return false;
};
