#!/usr/bin/env node
// Builds the agent as one self-contained executable (Node SEA): esbuild bundle → blob → stripped Node → postject.
// Then runs it with an empty environment and prints its size and its idle memory.
//   node scripts/build-agent.mjs [--idle-seconds 60] [--no-measure] [--out dist-agent]
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
// A small young generation and lazy growth: an agent idles for months beside the workload. The code cache is made with the
// same flags, else Node rejects it. DEP0123: grpc-js sets the TLS server name to an IP address, which Node ignores.
const FLAGS = [
  '--max-semi-space-size=1',
  '--max-old-space-size=128',
  '--optimize-for-size',
  '--single-threaded-gc',
  '--disable-warning=DEP0123',
];
const LIMITS = { megabytes: 115, rssMib: 95 };

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const known = ['--idle-seconds', '--no-measure', '--out'];
for (const word of process.argv.slice(2))
  if (word.startsWith('--') && !known.includes(word)) {
    console.error(`build-agent: unknown option ${word}; known: ${known.join(', ')}`);
    process.exit(2);
  }

const out = resolve(root, option('out', 'dist-agent'));
const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
const node = join(root, 'node_modules', `node-linux-${arch}`, 'bin', 'node');
if (!existsSync(node)) {
  console.error(`build-agent: ${node} is missing; run npm ci (it is an optional dependency of this architecture)`);
  process.exit(1);
}

/** `#kernel` and `#proto` point at their TypeScript sources, so that the bundle needs no other build step. */
const sources = {
  name: 'sources',
  setup(b) {
    b.onResolve({ filter: /^#kernel$/ }, () => ({ path: join(root, 'libs/kernel/src/index.ts'), sideEffects: false }));
    b.onResolve({ filter: /^#proto$/ }, () => ({ path: join(root, 'proto/index.ts'), sideEffects: false }));
    b.onResolve({ filter: /^\..*\.js$/ }, (args) => {
      const ts = join(args.resolveDir, args.path.replace(/\.js$/, '.ts'));
      return args.importer.endsWith('.ts') && existsSync(ts)
        ? { path: ts, sideEffects: /main\.ts$/.test(ts) }
        : undefined;
    });
  },
};

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const bundle = join(out, 'agent.cjs');
await build({
  entryPoints: [join(root, 'agent/src/main.ts')],
  outfile: bundle,
  bundle: true,
  minify: true,
  keepNames: true,
  treeShaking: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  plugins: [sources],
  logLevel: 'warning',
});

const blob = join(out, 'agent.blob');
const config = join(out, 'sea.json');
const executable = join(out, 'drover-agent');
writeFileSync(
  config,
  JSON.stringify({
    main: bundle,
    output: blob,
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    execArgv: FLAGS,
    execArgvExtension: 'none',
  }),
);
const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
execFileSync(node, [...FLAGS, '--experimental-sea-config', config], { stdio: 'ignore' });
copyFileSync(node, executable);
chmodSync(executable, 0o755);
// Strip comes before postject; stripping afterwards breaks the executable.
execFileSync('strip', [executable], quiet);
execFileSync(
  process.execPath,
  [join(root, 'node_modules/postject/dist/cli.js'), executable, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE],
  { stdio: 'ignore' },
);

const megabytes = statSync(executable).size / 1e6;
const bundleKb = Math.round(statSync(bundle).size / 1024);
console.log(
  `drover-agent: ${megabytes.toFixed(1)} MB (limit ${LIMITS.megabytes}), bundle ${bundleKb} KiB → ${executable}`,
);
rmSync(blob);
rmSync(config);

// No PATH, no Node, another folder: it must stand on its own.
const version = execFileSync(executable, ['--version'], { env: { PATH: '' }, cwd: '/', encoding: 'utf8' }).trim();
console.log(`runs without Node and with an empty PATH: ${version}`);

const rssKb = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

if (!process.argv.includes('--no-measure')) {
  const seconds = Number(option('idle-seconds', '60'));
  const rss = await measureIdle(seconds);
  console.log(`idle memory after ${seconds} s: ${rss.toFixed(1)} MiB RSS (limit ${LIMITS.rssMib})`);
  if (megabytes > LIMITS.megabytes || rss > LIMITS.rssMib) {
    console.error('build-agent: over the limit');
    process.exit(1);
  }
}

/** An agent that is enrolled nowhere and keeps trying: sockets, timers and TLS are all in use. */
async function measureIdle(seconds) {
  const state = mkdtempSync(join(tmpdir(), 'drover-agent-idle-'));
  const pin = `sha256:${'0'.repeat(64)}`;
  const args = [
    'run',
    '--enroll',
    '127.0.0.1:9',
    '--ca-pin',
    pin,
    '--state-dir',
    state,
    '--wireguard',
    'memory',
    '--services',
    'process',
  ];
  const child = spawn(executable, args, { env: { PATH: '', DROVER_JOIN_TOKEN: 'none' }, stdio: 'ignore' });
  await sleep(seconds * 1000);
  const rss = rssKb(child.pid) / 1024;
  child.kill('SIGTERM');
  rmSync(state, { recursive: true, force: true });
  return rss;
}
