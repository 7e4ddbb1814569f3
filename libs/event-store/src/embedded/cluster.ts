import { spawn } from 'node:child_process';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresBinaries } from './binaries.js';
import { EmbeddedPostgresError } from './errors.js';
import type { RunAs } from './run-as.js';

export const SUPERUSER = 'drover';
let attempts = 0;

export const childEnv = (binaries: PostgresBinaries): Record<string, string> => ({
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
  ...binaries.env,
});

/** The major version that wrote the data directory, undefined when there is none yet. */
export const clusterMajor = async (cluster: string): Promise<number | undefined> => {
  try {
    return Number((await readFile(join(cluster, 'PG_VERSION'), 'utf8')).trim());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Makes the data directory when there is none; refuses one that another major version of Postgres wrote. */
export const ensureCluster = async (home: string, binaries: PostgresBinaries, runAs: RunAs): Promise<string> => {
  const cluster = join(home, 'cluster');
  const major = await clusterMajor(cluster);
  if (major === binaries.major) return cluster;
  if (major !== undefined) {
    throw new EmbeddedPostgresError(
      `${cluster} was written by Postgres ${major}, this Drover brings Postgres ${binaries.major}; export events and ` +
        `secrets with the Drover that wrote it and import them here, or choose another DROVER_DATA_DIR`,
    );
  }
  await createCluster(home, cluster, binaries, runAs);
  return cluster;
};

/**
 * initdb works in a folder beside the final place and is renamed into it when complete and on disk, so that a kill in
 * the middle leaves no half-made cluster. Of two racing starts the first rename wins and the other uses its result.
 */
const createCluster = async (
  home: string,
  cluster: string,
  binaries: PostgresBinaries,
  runAs: RunAs,
): Promise<void> => {
  for (const entry of await readdir(home)) {
    const pid = /^initdb-(\d+)-\d+$/.exec(entry)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(home, entry), { recursive: true, force: true });
  }
  const temporary = join(home, `initdb-${process.pid}-${++attempts}`);
  await rm(temporary, { recursive: true, force: true });
  const args = ['-D', temporary, '-U', SUPERUSER, '-A', 'trust', '-E', 'UTF8', '--no-locale'];
  args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions', '--sync-method=syncfs');
  await runToEnd([...runAs.prefix, binaries.initdb, ...args], childEnv(binaries), home);
  try {
    await rename(temporary, cluster);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if ((await clusterMajor(cluster)) !== binaries.major) throw error;
  }
};

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

const runToEnd = (command: readonly string[], env: Record<string, string>, cwd: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (cause) =>
      reject(new EmbeddedPostgresError(`cannot run ${command[0]}: ${cause.message}`, { cause })),
    );
    child.once('close', (code, signal) => {
      if (code === 0) return resolve();
      reject(new EmbeddedPostgresError(`initdb failed (${signal ?? code}): ${output.trim()}`));
    });
  });
