#!/usr/bin/env node
// Builds the CLI as one self-contained executable (Node SEA): esbuild bundle → blob → stripped Node → postject.
// Then runs it where there is no Node and prints its size.
//   node scripts/build-cli.mjs [--out dist-cli]
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleCli } from './cli/bundle.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const LIMIT_MEGABYTES = 120;
const { values } = parseArgs({ options: { out: { type: 'string', default: 'dist-cli' } } });
const out = resolve(root, values.out);
const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
const node = join(root, 'node_modules', `node-linux-${arch}`, 'bin', 'node');
if (!fs.existsSync(node)) {
  console.error(`build-cli: ${node} is missing; run npm ci (it is an optional dependency of this architecture)`);
  process.exit(1);
}

/** The pages that `drover docs` shows, by the names under which it looks for them. */
const pages = () =>
  Object.fromEntries(
    ['tutorials', 'runbooks', 'reference'].flatMap((folder) =>
      fs
        .readdirSync(join(root, 'docs', folder))
        .filter((file) => file.endsWith('.md'))
        .map((file) => [`${folder}/${file.slice(0, -3)}`, fs.readFileSync(join(root, 'docs', folder, file), 'utf8')]),
    ),
  );

fs.mkdirSync(out, { recursive: true });
const work = fs.mkdtempSync(join(tmpdir(), 'drover-build-cli-'));
const executable = join(out, 'drover');
try {
  const bundle = join(work, 'drover.cjs');
  await bundleCli(root, bundle);
  fs.writeFileSync(join(work, 'docs.json'), JSON.stringify(pages()));
  const blob = join(work, 'drover.blob');
  const config = {
    main: bundle,
    output: blob,
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    execArgvExtension: 'none',
    assets: { 'docs.json': join(work, 'docs.json') },
  };
  fs.writeFileSync(join(work, 'sea.json'), JSON.stringify(config));
  execFileSync(node, ['--experimental-sea-config', join(work, 'sea.json')], { stdio: 'ignore' });
  // Made beside it and moved: whoever runs the old one is not disturbed.
  const made = join(out, `.drover.${process.pid}`);
  fs.copyFileSync(node, made);
  fs.chmodSync(made, 0o755);
  // Strip comes before postject; stripping afterwards breaks the executable.
  execFileSync('strip', [made], { stdio: ['ignore', 'ignore', 'inherit'] });
  const postject = join(root, 'node_modules/postject/dist/cli.js');
  execFileSync(process.execPath, [postject, made, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE], { stdio: 'ignore' });
  fs.renameSync(made, executable);
  const megabytes = fs.statSync(executable).size / 1e6;
  const kib = Math.round(fs.statSync(bundle).size / 1024);
  console.log(`drover: ${megabytes.toFixed(1)} MB (limit ${LIMIT_MEGABYTES}), bundle ${kib} KiB → ${executable}`);
  if (megabytes > LIMIT_MEGABYTES) {
    console.error('build-cli: over the limit');
    process.exitCode = 1;
  }
} finally {
  fs.rmSync(work, { recursive: true, force: true });
}

// No PATH, no Node, no home, another folder: it must stand on its own.
const alone = (args) => execFileSync(executable, args, { env: { PATH: '' }, cwd: '/', encoding: 'utf8' }).trim();
console.log(`runs without Node and with an empty PATH: ${alone(['--version'])}`);
if (!alone(['--help']).startsWith('drover: operate a Drover platform')) throw new Error('--help says something else');
if (!alone(['docs']).includes('reference/tools')) throw new Error('drover docs lacks its pages');
