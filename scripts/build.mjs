#!/usr/bin/env node
// Compiles every TypeScript folder to dist/ with SWC, keeping the folder layout, so that
// `#kernel`-style imports (package.json "imports") resolve to compiled files at run time.
// What is compiled already is left alone: a start waits for nothing, and a platform that runs keeps its files.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDERS = ['apps', 'libs', 'agent', 'proto', 'test', 'scripts'];
const stampFile = join(root, 'dist/.compiled-from');

/** Names, sizes and times of all that is compiled and of what says how. */
const stampOf = () => {
  const inFolders = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name)),
  );
  const how = ['.swcrc', 'package.json', 'package-lock.json', 'node_modules/.package-lock.json'].map((name) =>
    join(root, name),
  );
  const hash = createHash('sha256');
  for (const path of [...inFolders.sort(), ...how.filter((name) => existsSync(name))]) {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
};

const stamp = stampOf();
if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) process.exit(0);
rmSync(join(root, 'dist'), { recursive: true, force: true });
const swc = spawnSync(
  process.execPath,
  [join(root, 'node_modules/@swc/cli/bin/swc.js'), ...FOLDERS, '-d', 'dist', '--extensions', '.ts', '--quiet'],
  { cwd: root, stdio: 'inherit' },
);
if (swc.status !== 0) process.exit(swc.status ?? 1);
// The k3s stand-in is one executable file, so that it can take the real one's place.
const k3s = spawnSync(process.execPath, [join(root, 'test/doubles/k3s/build.mjs')], { cwd: root, stdio: 'inherit' });
if (k3s.status !== 0) process.exit(k3s.status ?? 1);
// Changed while it was compiled: the next build sees that.
writeFileSync(stampFile, stamp);
