#!/usr/bin/env node
// Debian packages: drover (platform and CLI, with their own Node) and drover-agent (one executable), from staged trees.
// The same sources give the same bytes (SOURCE_DATE_EPOCH, or the time of the last commit). Nothing is fetched at install.
//   node scripts/package.mjs [--out dist-packages] [--compression xz|zstd|gzip|none] [--only NAME] [--root DIR] [--agent FILE]
// --root is where dist/ is, --agent an executable that scripts/build-agent.mjs made; without it one is made.
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { stageModules, put, tidy } from './package/stage.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'dist-packages' },
    compression: { type: 'string', default: 'xz' },
    only: { type: 'string' },
    root: { type: 'string', default: ROOT },
    agent: { type: 'string' },
  },
});
const fail = (message) => {
  console.error(`package: ${message}`);
  process.exit(1);
};

const NAMES = ['drover', 'drover-agent'];
if (values.only !== undefined && !NAMES.includes(values.only)) fail(`--only: ${values.only} is none of ${NAMES}`);
const COMPRESSIONS = ['xz', 'zstd', 'gzip', 'none'];
if (!COMPRESSIONS.includes(values.compression))
  fail(`--compression: ${values.compression} is none of ${COMPRESSIONS.join(', ')}`);

const manifest = JSON.parse(fs.readFileSync(join(ROOT, 'package.json'), 'utf8'));
const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
const debianArch = arch === 'x64' ? 'amd64' : arch;
const node = join(ROOT, `node_modules/node-linux-${arch}/bin/node`);
const epoch = () => {
  if (process.env.SOURCE_DATE_EPOCH) return process.env.SOURCE_DATE_EPOCH;
  try {
    return execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' }).trim();
  } catch {
    return '315532800';
  }
};

const stagePlatform = (tree) => {
  const lib = join(tree, 'usr/lib/drover');
  if (!fs.existsSync(node)) fail(`${node} is missing; run npm ci`);
  const dist = join(resolve(values.root), 'dist');
  if (!fs.existsSync(join(dist, 'apps/platform/src/main.js'))) fail(`${dist} is not built; run npm run build`);
  for (const part of ['apps/platform', 'apps/cli', 'libs', 'proto'])
    put(join(dist, part), join(lib, 'dist', part), (path) => !/spec\.js$/.test(path));
  for (const part of ['migrations', 'docs', 'bin/drover.mjs']) put(join(ROOT, part), join(lib, part));
  put(node, join(lib, 'bin/node'));
  execFileSync('strip', [join(lib, 'bin/node')]);
  stageModules(ROOT, lib);
  const { name, version, type, imports } = manifest;
  fs.writeFileSync(join(lib, 'package.json'), `${JSON.stringify({ name, version, type, imports }, null, 2)}\n`);
  put(join(ROOT, 'packaging/drover/drover.sh'), join(tree, 'usr/bin/drover'));
  put(join(ROOT, 'packaging/drover/drover.service'), join(tree, 'usr/lib/systemd/system/drover.service'));
  put(join(ROOT, 'packaging/drover/drover.env'), join(tree, 'etc/drover/drover.env'));
};

const stageAgent = (tree, work) => {
  let executable = values.agent;
  if (executable === undefined) {
    const build = [join(ROOT, 'scripts/build-agent.mjs'), '--no-measure', '--out', join(work, 'agent')];
    execFileSync(process.execPath, build, { stdio: 'inherit' });
    executable = join(work, 'agent/drover-agent');
  }
  put(resolve(executable), join(tree, 'usr/bin/drover-agent'));
  put(
    join(ROOT, 'packaging/drover-agent/drover-agent.service'),
    join(tree, 'usr/lib/systemd/system/drover-agent.service'),
  );
  put(join(ROOT, 'packaging/drover-agent/agent.env'), join(tree, 'etc/drover/agent.env'));
};

const PACKAGES = {
  drover: {
    stage: stagePlatform,
    conffiles: ['/etc/drover/drover.env'],
    depends: 'libc6 (>= 2.28), libstdc++6 (>= 8), adduser',
    description:
      'event-sourced control plane for K3s fleets\n The platform (API, MCP, agents) with its own Node and an embedded Postgres,\n and the command line tool drover.',
  },
  'drover-agent': {
    stage: stageAgent,
    conffiles: ['/etc/drover/agent.env'],
    depends: 'libc6 (>= 2.28), libstdc++6 (>= 8), iproute2, nftables',
    recommends: 'wireguard-go, wireguard-tools, frr',
    description: 'agent of Drover: makes this machine what the platform says\n One executable and its systemd unit.',
  },
};

const control = (name, { depends, recommends, description }, kib) =>
  [
    `Package: ${name}`,
    `Version: ${manifest.version}`,
    `Architecture: ${debianArch}`,
    'Maintainer: Drover <root@localhost>',
    'Section: admin',
    'Priority: optional',
    `Installed-Size: ${kib}`,
    `Depends: ${depends}`,
    ...(recommends === undefined ? [] : [`Recommends: ${recommends}`]),
    `Description: ${description}`,
    '',
  ].join('\n');

const make = (name, out, work, environment) => {
  const definition = PACKAGES[name];
  const tree = join(work, name);
  definition.stage(tree, work);
  const kib = tidy(tree);
  const meta = join(tree, 'DEBIAN');
  fs.mkdirSync(meta);
  for (const script of ['postinst', 'prerm', 'postrm']) put(join(ROOT, 'packaging', name, script), join(meta, script));
  fs.writeFileSync(join(meta, 'conffiles'), `${definition.conffiles.join('\n')}\n`);
  fs.writeFileSync(join(meta, 'control'), control(name, definition, kib));
  tidy(meta);
  for (const file of definition.conffiles) fs.chmodSync(join(tree, file), 0o640);
  const deb = join(out, `${name}_${manifest.version}_${debianArch}.deb`);
  const level = values.compression === 'xz' ? ['-z6', '--threads-max=2'] : values.compression === 'none' ? [] : ['-z1'];
  const args = ['--root-owner-group', `-Z${values.compression}`, ...level, '--build', tree, deb];
  execFileSync('dpkg-deb', args, { stdio: ['ignore', 'ignore', 'inherit'], env: environment });
  console.log(`${deb} ${(fs.statSync(deb).size / 1e6).toFixed(1)} MB`);
};

const out = resolve(values.out);
fs.mkdirSync(out, { recursive: true });
const work = fs.mkdtempSync(join(out, '.staged-'));
try {
  for (const name of NAMES)
    if (values.only === undefined || values.only === name)
      make(name, out, work, { ...process.env, SOURCE_DATE_EPOCH: epoch() });
} finally {
  fs.rmSync(work, { recursive: true, force: true });
}
