import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startProcess } from '../../apps/platform/src/testing/platform-process.js';
import { distribution } from './support/numbers.js';

const ROOT = resolve(import.meta.dirname, '../../..');
const progress = (text: string) => void process.stderr.write(`${text}\n`);

interface Way {
  readonly name: string;
  readonly argv: readonly string[];
  /** What has to be in the output: a command that fails is fast too. */
  readonly says: string;
  readonly before?: () => void;
}

const timed = (argv: readonly string[], env: NodeJS.ProcessEnv): Promise<{ ms: number; text: string }> =>
  new Promise((done, reject) => {
    const begun = performance.now();
    const child = spawn(argv[0]!, argv.slice(1), { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (part: Buffer) => (text += part.toString()));
    child.on('error', reject);
    child.on('close', () => done({ ms: performance.now() - begun, text }));
  });

const must = (argv: readonly string[], env: NodeJS.ProcessEnv): void => {
  const done = spawnSync(argv[0]!, argv.slice(1), { env, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${argv.join(' ')}: ${done.stdout}${done.stderr}`);
};

const forget = (cache: string) => () => {
  for (const file of readdirSync(cache)) if (file.startsWith('names-')) rmSync(join(cache, file));
};

const waysOf = (cache: string, installed: string, node: readonly string[]): readonly Way[] => {
  const help = ['--help'];
  const complete = ['__complete', 'node', 'get', 'bench-'];
  const says = { help: 'drover: operate a Drover platform', complete: 'bench-1' };
  return [
    { name: 'floor', argv: [process.execPath, '-e', '0'], says: '' },
    { name: 'help', argv: [installed, ...help], says: says.help },
    { name: 'completion', argv: [installed, ...complete], says: says.complete, before: forget(cache) },
    { name: 'completion_cached', argv: [installed, ...complete], says: says.complete },
    { name: 'node_list', argv: [installed, 'node', 'list'], says: says.complete },
    { name: 'help_checkout', argv: [...node, ...help], says: says.help },
    { name: 'completion_checkout', argv: [...node, ...complete], says: says.complete, before: forget(cache) },
  ];
};

/**
 * What a person waits for: `drover --help` and a Tab that asks the platform for names, of the one file and from a checkout, each round beside
 * `node -e 0`, which nothing written for Node can go below. p50, p95 and the longest of `--rounds`.
 */
export const run = async (args: readonly string[]) => {
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: { type: 'string', default: '20' }, installed: { type: 'string' } },
  });
  const rounds = Math.max(1, Number(values.rounds));
  const dir = mkdtempSync(join(tmpdir(), 'drover-bench-'));
  const platform = startProcess(ROOT, { DROVER_DATA_DIR: join(dir, 'data'), DROVER_HTTP_ADDR: '127.0.0.1:0' });
  try {
    const installed = values.installed ?? join(dir, 'drover');
    if (values.installed === undefined) {
      progress('building the one file');
      must([process.execPath, join(ROOT, 'scripts/build-cli.mjs'), '--out', dir], process.env);
    }
    const env = { HOME: dir, DROVER_URL: await platform.ready(), DROVER_DATA_DIR: join(dir, 'data'), PATH: '' };
    must([installed, 'template', 'create', 'bench'], env);
    for (let n = 1; n <= 20; n++) must([installed, 'node', 'create', `bench-${n}`, 'node_template_id=bench'], env);
    const cli = [process.execPath, join(ROOT, 'bin/drover.mjs')];
    return await measure(waysOf(join(dir, '.cache/drover'), installed, cli), env, rounds);
  } finally {
    platform.child.kill('SIGTERM');
    await platform.exited;
    rmSync(dir, { recursive: true, force: true });
  }
};

/** What one of twenty takes longer than: the goal of the completion is about this. */
const p95 = (values: readonly number[]): number =>
  Math.round([...values].sort((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1]! * 10) / 10;

const measure = async (ways: readonly Way[], env: NodeJS.ProcessEnv, rounds: number) => {
  const times = new Map<string, number[]>(ways.map(({ name }) => [name, []]));
  let late = 0;
  // The first round fills caches and page tables, and does not count.
  for (let round = 0; round <= rounds; round++)
    for (const { name, argv, says, before } of ways) {
      before?.();
      const { ms, text } = await timed(argv, env);
      const isLate = !text.includes(says);
      // A Tab that gets its names too late gets none: that is told, not counted as fast.
      if (isLate && !name.startsWith('completion')) throw new Error(`${argv.join(' ')} said ${text.slice(0, 200)}`);
      if (round === 0) continue;
      if (isLate) late++;
      times.get(name)!.push(ms);
    }
  const of = (name: string) => distribution(times.get(name)!);
  const told = ways.flatMap(({ name }) => [
    [`${name}_ms`, of(name).p50],
    [`${name}_p95_ms`, p95(times.get(name)!)],
    [`${name}_max_ms`, of(name).max],
  ]);
  return { bench: 'cli', rounds, limit_ms: 150, late_names: late, ...Object.fromEntries(told) };
};
