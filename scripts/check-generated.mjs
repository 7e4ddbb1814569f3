#!/usr/bin/env node
// Fails when generated code (proto/gen) or the reference (docs/reference) is not what the sources generate.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules/.bin');
const out = mkdtempSync(join(tmpdir(), 'drover-gen-'));
const run = (args) =>
  execFileSync(join(bin, 'buf'), args, {
    cwd: join(root, 'proto'),
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  });

/** Files in the repository's folder that are not, byte for byte, what was generated just now. */
function differing(folder, inRepository) {
  return readdirSync(join(out, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(join(out, folder), join(entry.parentPath, entry.name)))
    .filter((file) => {
      const current = join(root, inRepository, file);
      return !existsSync(current) || !readFileSync(join(out, folder, file)).equals(readFileSync(current));
    })
    .map((file) => `${inRepository}/${file}`);
}

try {
  run(['lint']);
  run(['generate', '-o', out]);
  execFileSync(process.execPath, [join(root, 'scripts/generate-reference.mjs'), '--out', join(out, 'reference')], {
    stdio: 'inherit',
  });
  const stale = [...differing('gen', 'proto/gen'), ...differing('reference', 'docs/reference')];
  if (stale.length > 0) {
    console.error(`generated files are stale: ${stale.join(', ')}; run npm run proto and npm run reference`);
    process.exitCode = 1;
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}
