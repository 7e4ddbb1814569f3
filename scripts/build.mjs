#!/usr/bin/env node
// Compiles every TypeScript folder to dist/ with SWC, keeping the folder layout, so that
// `#kernel`-style imports (package.json "imports") resolve to compiled files at run time.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
rmSync(join(root, 'dist'), { recursive: true, force: true });
const swc = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/@swc/cli/bin/swc.js'),
    'apps',
    'libs',
    'agent',
    'proto',
    'test',
    'scripts',
    '-d',
    'dist',
    '--extensions',
    '.ts',
    '--quiet',
  ],
  { cwd: root, stdio: 'inherit' },
);
if (swc.status !== 0) process.exit(swc.status ?? 1);
// The k3s stand-in is one executable file, so that it can take the real one's place.
const k3s = spawnSync(process.execPath, [join(root, 'test/doubles/k3s/build.mjs')], { cwd: root, stdio: 'inherit' });
process.exit(k3s.status ?? 1);
