#!/usr/bin/env node
// Compiles every TypeScript folder to dist/ with SWC, keeping the folder layout, so that
// `#kernel`-style imports (package.json "imports") resolve to compiled files at run time.
// What is compiled already is left alone: a start waits for nothing, and a platform that runs keeps its files.
// It is compiled aside and moved into place, so that two commands in two terminals may both begin with it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { putInPlace } from './put-in-place.mjs';

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

const isCompiled = (stamp) => {
  try {
    return readFileSync(stampFile, 'utf8') === stamp;
  } catch (error) {
    // Another build may just have moved it away.
    if (error.code === 'ENOENT') return false;
    throw error;
  }
};

const ASIDE = '.drover-build-';
const remove = (name) => rmSync(join(root, name), { recursive: true, force: true });
/** Of builds that were killed. */
const removeLeftovers = () => {
  for (const name of readdirSync(root).filter((one) => one.startsWith(ASIDE)))
    if (!existsSync(`/proc/${name.slice(ASIDE.length).split('.')[0]}`)) remove(name);
};

const run = (...argv) => {
  const { status } = spawnSync(process.execPath, argv, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  remove(aside);
  process.exit(status ?? 1);
};

const stamp = stampOf();
if (isCompiled(stamp)) process.exit(0);
removeLeftovers();
const aside = `${ASIDE}${process.pid}`;
run(join(root, 'node_modules/@swc/cli/bin/swc.js'), ...FOLDERS, '-d', aside, '--extensions', '.ts', '--quiet');
// The k3s stand-in is one executable file, so that it can take the real one's place.
run(join(root, 'test/doubles/k3s/build.mjs'), join(root, aside, 'doubles/k3s'));
// Changed while it was compiled: the next build sees that.
writeFileSync(join(root, aside, '.compiled-from'), stamp);
putInPlace({ from: join(root, aside), to: join(root, 'dist'), isThere: () => isCompiled(stamp) });
remove(aside);
remove(`${aside}.old`);
