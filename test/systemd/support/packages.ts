import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { compiledCopy } from '../../../apps/platform/src/testing/compiled-copy.js';
import { ROOT } from '../../../apps/platform/src/version.js';

const CACHE = join(ROOT, 'node_modules/.cache/drover-systemd');

const make = (root: string, k3s: string, folder: string): void => {
  mkdirSync(CACHE, { recursive: true });
  for (const old of readdirSync(CACHE).filter((name) => name.startsWith('packages-')))
    rmSync(join(CACHE, old), { recursive: true, force: true });
  const making = `${folder}.${process.pid}`;
  const args = [join(ROOT, 'scripts/package.mjs'), '--root', root, '--compression', 'zstd', '--out', making];
  execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: ROOT });
  // The stand-in's first line names a Node that the hosts do not have.
  const script = readFileSync(k3s, 'utf8').replace(/^#!.*\n/, '#!/opt/node\n');
  writeFileSync(join(making, 'k3s'), script);
  chmodSync(join(making, 'k3s'), 0o755);
  renameSync(making, folder);
};

/**
 * What a host gets to see, by its path there: the packages of these very sources, made by scripts/package.mjs, quickly compressed;
 * and the stand-in for K3s with a Node to run on, which the agent's package does not bring.
 */
export const packagesOfSources = (): Readonly<Record<string, string>> => {
  const { root, k3s } = compiledCopy();
  const folder = join(CACHE, `packages-${basename(root)}`);
  if (!existsSync(folder)) make(root, k3s, folder);
  return { '/packages': folder, '/opt/k3s': join(folder, 'k3s'), '/opt/node': process.execPath };
};
