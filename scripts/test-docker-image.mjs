#!/usr/bin/env node
// npm run test:docker-image: builds packaging/Dockerfile with a dockerd of its own and runs the image as packaging/compose.yaml says: it
// is ready, a write outside its volume fails, it stops within 10 s with code 0, and started again it knows what it knew. Root only.
// Where no registry of images is reached, the base image is made here: the Debian root of the systemd tests, this Node, and npm.
import { execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const STOP_S = 10;
const work = fs.mkdtempSync(join(tmpdir(), 'drover-image-'));
const host = `unix://${work}/sock`;
const docker = (args, options = {}) => {
  const env = { ...process.env, DOCKER_HOST: host, DOCKER_BUILDKIT: '0' };
  return execFileSync('docker', args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'inherit'], ...options });
};
const must = (isSo, what) => {
  if (!isSo) throw new Error(what);
  console.log(`ok  ${what}`);
};
const until = async (what, isSo, seconds = 180) => {
  for (const end = Date.now() + seconds * 1_000; !isSo(); await sleep(500))
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
  console.log(`ok  ${what}`);
};
const succeeds = (args) => {
  try {
    docker(args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

/** What the Dockerfile asks of its base: a shell, groupadd, Node and npm; with this machine's certificates, for `npm ci`. */
const makeBase = (tag) => {
  execFileSync(process.execPath, [join(ROOT, 'scripts/systemd-rootfs.mjs')], { stdio: 'inherit' });
  const base = join(work, 'base');
  const rootfs = fs.realpathSync(join(homedir(), '.cache/drover-systemd/rootfs-1'));
  execFileSync('cp', ['-a', rootfs, base]);
  const npm = dirname(dirname(fs.realpathSync(process.env.npm_execpath)));
  execFileSync('cp', ['-a', npm, join(base, 'usr/local/lib/npm')]);
  fs.copyFileSync(process.execPath, join(base, 'usr/local/bin/node'));
  for (const name of ['npm', 'npx']) fs.symlinkSync(`../lib/npm/bin/${name}-cli.js`, join(base, 'usr/local/bin', name));
  const certificates = '/etc/ssl/certs/ca-certificates.crt';
  if (fs.existsSync(certificates)) fs.copyFileSync(certificates, join(base, certificates));
  const tar = join(work, 'base.tar');
  execFileSync('tar', ['-C', base, '--exclude=./dev/*', '-cf', tar, '.']);
  docker(['import', '--change', `ENV NODE_EXTRA_CA_CERTS=${certificates}`, tar, tag]);
  for (const path of [base, tar]) fs.rmSync(path, { recursive: true });
};

/** The service of the compose file as arguments of `docker run`; what it publishes stays inside. */
const runArguments = (service) => [
  ...(service.init ? ['--init'] : []),
  ...(service.read_only ? ['--read-only'] : []),
  ...service.tmpfs.flatMap((path) => ['--tmpfs', path]),
  ...service.cap_drop.flatMap((name) => ['--cap-drop', name]),
  ...service.security_opt.flatMap((option) => ['--security-opt', option]),
  ...service.volumes.flatMap((volume) => ['--volume', volume]),
  ...['--stop-timeout', String(parseInt(service.stop_grace_period, 10)), '--network', 'none'],
  ...['--env', 'DROVER_PUBLIC_URL=https://drover.example:8080', service.image],
];

const verify = async () => {
  const { platform } = parse(fs.readFileSync(join(ROOT, 'packaging/compose.yaml'), 'utf8')).services;
  docker(['run', '--detach', '--name', 'platform', ...runArguments(platform)]);
  const health = () => docker(['inspect', '-f', '{{.State.Health.Status}}', 'platform']).trim();
  await until('the image’s own health check says healthy', () => health() === 'healthy');
  const inside = (...command) => ['exec', 'platform', ...command];
  must(docker(inside('id', '-un')).trim() === 'drover', 'it runs as drover');
  must(!succeeds(inside('touch', '/usr/lib/drover/x')), 'it cannot write outside its volume');
  docker(inside('drover', 'network', 'create', 'kept'));
  const before = Date.now();
  docker(['stop', 'platform']);
  const seconds = (Date.now() - before) / 1_000;
  const code = docker(['inspect', '-f', '{{.State.ExitCode}}', 'platform']).trim();
  must(code === '0' && seconds <= STOP_S, `it stops with code ${code} in ${seconds.toFixed(1)} s (limit ${STOP_S})`);
  docker(['start', 'platform']);
  await until('started again it is ready', () => succeeds(inside('drover', 'platform', 'health')));
  must(docker(inside('drover', 'network', 'list')).includes('kept'), 'it knows what it knew');
  docker(['rm', '--force', '--volumes', 'platform']);
};

const flags = ['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--pidfile', join(work, 'pid')];
const daemon = spawn(
  'dockerd',
  [...flags, '--data-root', join(work, 'data'), '--exec-root', join(work, 'exec'), '--host', host],
  {
    stdio: ['ignore', 'ignore', fs.openSync(join(work, 'dockerd.log'), 'w')],
  },
);
try {
  await until('dockerd answers', () => succeeds(['info']), 60);
  const dockerfile = join(ROOT, 'packaging/Dockerfile');
  const [, base] = /^ARG NODE_IMAGE=(.+)$/m.exec(fs.readFileSync(dockerfile, 'utf8'));
  if (!succeeds(['pull', base])) makeBase(base);
  docker(['build', '--network', 'host', '-f', dockerfile, '-t', 'drover', ROOT], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const bytes = Number(docker(['inspect', '-f', '{{.Size}}', 'drover']).trim());
  console.log(`ok  the image is built, ${Math.round(bytes / 1e6)} MB on ${base}`);
  await verify();
} finally {
  const ended = new Promise((resolve) => daemon.once('exit', resolve));
  daemon.kill('SIGTERM');
  await ended;
  // Left by containers of the host's network.
  if (fs.existsSync(join(work, 'exec/netns/default'))) execFileSync('umount', [join(work, 'exec/netns/default')]);
  fs.rmSync(work, { recursive: true, force: true });
}
