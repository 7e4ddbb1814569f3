import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../version.js';

const FOLDERS = ['apps', 'libs', 'proto', 'agent', 'scripts', 'test'];
const CACHE = join(ROOT, 'node_modules/.cache/drover-compiled');
/** Older copies belong to sources that are gone, and to test runs that have ended. */
const KEPT_MS = 3 * 3_600_000;
const LOCK_MS = 120_000;

/** Changes with any source file; a look at the folders is enough (20 ms). */
const digestOfSources = (): string => {
  const hash = createHash('sha256').update(ROOT);
  for (const folder of FOLDERS)
    for (const entry of readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.(ts|mjs)$/.test(entry.name)) continue;
      const path = join(entry.parentPath, entry.name);
      const { size, mtimeMs } = statSync(path);
      hash.update(`${path} ${size} ${mtimeMs}\n`);
    }
  return hash.digest('hex').slice(0, 16);
};

const run = (args: readonly string[]): void => {
  const done = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`the build failed: ${done.stdout}${done.stderr}`);
};

const build = (root: string): void => {
  const making = `${root}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  for (const name of ['node_modules', 'migrations']) symlinkSync(join(ROOT, name), join(making, name));
  cpSync(join(ROOT, 'package.json'), join(making, 'package.json'));
  cpSync(join(ROOT, 'bin'), join(making, 'bin'), { recursive: true });
  const dist = join(making, 'dist');
  run([join(ROOT, 'node_modules/@swc/cli/bin/swc.js'), ...FOLDERS, '-d', dist, '--extensions', '.ts', '--quiet']);
  run([join(ROOT, 'test/doubles/k3s/build.mjs'), join(dist, 'doubles/k3s')]);
  renameSync(making, root);
};

const removeOld = (): void => {
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name);
    if (Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > KEPT_MS)
      rmSync(path, { recursive: true, force: true });
  }
};

/** True when this process is to build; false when another one has just done it. */
const turn = (root: string): boolean => {
  const lock = `${root}.lock`;
  const deadline = Date.now() + LOCK_MS;
  while (!existsSync(root)) {
    try {
      mkdirSync(lock);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (Date.now() > deadline) throw new Error(`${lock} is left from a build that was killed: remove it`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
  return false;
};

/**
 * The sources compiled into a folder of their own, with the k3s stand-in at dist/doubles/k3s, so that tests run them as real
 * processes whatever dist/ holds. Built once for all the tests that ask: nothing may be written into it.
 */
export const compiledCopy = (): { readonly root: string; readonly k3s: string } => {
  mkdirSync(CACHE, { recursive: true });
  const root = join(CACHE, digestOfSources());
  if (turn(root)) {
    try {
      removeOld();
      if (!existsSync(root)) build(root);
    } finally {
      rmSync(`${root}.lock`, { recursive: true, force: true });
    }
  }
  return { root, k3s: join(root, 'dist/doubles/k3s') };
};
