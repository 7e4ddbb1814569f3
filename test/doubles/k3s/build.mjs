#!/usr/bin/env node
// Bundles the k3s stand-in into one executable file: dist/doubles/k3s [or the path given as the first argument].
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../../..');
const outfile = process.argv[2] ?? join(root, 'dist/doubles/k3s');
const pinned = join(root, `node_modules/node-linux-${process.arch}/bin/node`);
mkdirSync(dirname(outfile), { recursive: true });
await build({
  entryPoints: [join(here, 'src/main.ts')],
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  external: ['pg-native'], // only where it is asked for
  minifySyntax: true,
  legalComments: 'none',
  banner: { js: `#!${existsSync(pinned) ? pinned : process.execPath}` },
  logLevel: 'warning',
  outfile,
});
chmodSync(outfile, 0o755);
// The repository is an ES module package, and Node judges a file without an extension by the package it lies in.
writeFileSync(join(dirname(outfile), 'package.json'), '{ "type": "commonjs" }\n');
