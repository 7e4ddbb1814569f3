#!/usr/bin/env node
// Runs the CLI on Node 24: on an older node it starts itself again on the one that `npm ci` installed.
import { existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cli = join(root, 'dist/apps/cli/src/main.js');
const args = process.argv.slice(2);

const node24 = () => {
  if (Number(process.versions.node.split('.')[0]) >= 24) return undefined;
  const bundled = join(root, `node_modules/node-linux-${process.arch}/bin/node`);
  if (existsSync(bundled)) return bundled;
  process.stderr.write(
    `error:   drover needs Node 24; this is ${process.version}\n  why:   ${bundled} is missing\n  try:   npm ci\n`,
  );
  process.exit(2);
};

/** With the home of another (sudo -E) it would be their folder, and what lies there runs. */
const isMine = (folder) => {
  try {
    return statSync(folder).uid === process.getuid?.();
  } catch {
    return false;
  }
};

const bundled = node24();
if (!existsSync(cli)) {
  process.stderr.write('drover: building first (once)\n');
  const node = bundled ?? process.execPath;
  const { spawnSync } = await import('node:child_process');
  const built = spawnSync(node, [join(root, 'scripts/build.mjs')], { stdio: ['ignore', 2, 2] });
  if (built.status !== 0 || !existsSync(cli)) {
    process.stderr.write(
      'error:   drover is not built\n  why:   the build failed, see above\n  try:   npm run build\n',
    );
    process.exit(2);
  }
}

if (bundled === undefined) {
  // Compiled once, not at every command. In the user's own folder: what lies in /tmp anybody may have written.
  if (process.env.HOME && isMine(homedir())) module.enableCompileCache?.(join(homedir(), '.cache/drover/compiled'));
  const { main } = await import(pathToFileURL(cli).href);
  main(args);
} else {
  const { spawn } = await import('node:child_process');
  const child = spawn(bundled, [fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
}
