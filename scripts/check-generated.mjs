#!/usr/bin/env node
// Fails when generated code (proto/gen) is not what the sources generate.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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
try {
  run(['lint']);
  run(['generate', '-o', out]);
  const stale = readdirSync(join(out, 'gen'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(out.length + 1))
    .filter(
      (file) =>
        readFileSync(join(out, file), 'utf8') !==
        readFileSync(join(root, 'proto', file), { encoding: 'utf8', flag: 'a+' }),
    );
  if (stale.length > 0) {
    console.error(`generated code is stale: ${stale.map((file) => `proto/${file}`).join(', ')}; run npm run proto`);
    process.exitCode = 1;
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}
