import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { run, until } from '../../apps/lab/src/processes.js';
import { compiledCopy } from '../../apps/platform/src/testing/compiled-copy.js';
import { describeWithRealParts } from './support/with-real-parts.js';

interface Document {
  readonly path: string;
  readonly tools?: readonly string[];
}

/** What is in one list is played on one platform and its machines, as a reader goes on from one to the next. */
const SESSIONS: readonly (readonly Document[])[] = [
  [
    { path: 'docs/tutorials/01-first-boot.md' },
    { path: 'docs/tutorials/02-first-module.md' },
    { path: 'docs/tutorials/03-docker.md', tools: ['dockerd', 'curl'] },
  ],
  [{ path: 'docs/tutorials/04-k3s-cluster.md' }],
  [{ path: 'docs/tutorials/05-two-clusters.md' }],
];

interface Block {
  readonly commands: string;
  /** What the document says it prints: lines in which `…` stands for anything. */
  readonly prints: readonly string[];
}

const blocksOf = (markdown: string): Block[] => {
  const blocks: { commands: string; prints: string[] }[] = [];
  for (const [, kind, text = ''] of markdown.matchAll(/^```(sh|text)\n([\s\S]*?)^```$/gm)) {
    if (kind === 'sh') blocks.push({ commands: text, prints: [] });
    else blocks.at(-1)!.prints.push(...text.trimEnd().split('\n'));
  }
  return blocks;
};

const asPattern = (line: string): RegExp =>
  new RegExp(
    line
      .split(/\s+/)
      .map((word) => word.replace(/[.*+?^${}()|[\]\\<>]/g, '\\$&').replaceAll('…', '.*'))
      .join('\\s+'),
  );

const MARK = '@@ block ';
/** One shell for all blocks, as a reader has one terminal. `npx` is the CLI without npx's own second of start-up. */
const scriptOf = (blocks: readonly Block[], root: string): string =>
  [
    'set -eu -o pipefail',
    `npx() { shift; "${process.execPath}" "${join(root, 'bin/drover.mjs')}" "$@"; }`,
    ...blocks.map(({ commands }, i) => `echo '${MARK}${i}'\n${commands}`),
    '',
  ].join('\n');

const session = (documents: readonly Document[]): void => {
  let root: string;
  let home: string;
  let demo: ChildProcess;
  let said = '';

  beforeAll(async () => {
    root = compiledCopy().root;
    // A folder of its own for temporary files: `drover lab` must find this lab and no other.
    home = mkdtempSync(join(tmpdir(), 'drover-docs-'));
    demo = spawn(process.execPath, [join(root, 'dist/apps/lab/src/demo.js'), '--empty'], {
      cwd: root,
      env: { ...process.env, TMPDIR: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [demo.stdout!, demo.stderr!]) stream.on('data', (chunk: Buffer) => (said += String(chunk)));
    const isReady = (): boolean => {
      if (demo.exitCode !== null) throw new Error(`the demo ended:\n${said}`);
      return said.includes('Ctrl-C ends everything');
    };
    await until('npm run demo -- --empty is ready', isReady, 180_000, 100);
  });

  afterAll(async () => {
    if (demo !== undefined && demo.exitCode === null) {
      const ended = new Promise((resolve) => demo.once('exit', resolve));
      demo.kill('SIGINT');
      await ended;
    }
    if (home !== undefined) rmSync(home, { recursive: true, force: true });
  });

  it('starts as the first terminal does', () => {
    expect(readFileSync(documents[0]!.path, 'utf8')).toContain('npm run demo -- --empty');
    expect(said).toMatch(/eval "\$\(npx drover lab env [0-9a-f]{8}\)"/);
  });

  const play = async (document: string): Promise<void> => {
    const blocks = blocksOf(readFileSync(document, 'utf8'));
    expect(blocks.length).toBeGreaterThan(3);
    const script = join(home, `${basename(document)}.sh`);
    writeFileSync(script, scriptOf(blocks, root));
    const env = { TMPDIR: home, HOME: home, PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` };
    const { code, stdout, stderr } = await run(['bash', script], env, 540_000);
    if (code !== 0) throw new Error(`exit ${code} after:\n${stdout.slice(-3_000)}\n${stderr.slice(-3_000)}`);
    const outputs = stdout.split(new RegExp(`^${MARK}\\d+\\n`, 'm')).slice(1);
    expect(outputs).toHaveLength(blocks.length);
    for (const [i, { prints }] of blocks.entries())
      for (const line of prints) expect(outputs[i]).toMatch(asPattern(line));
  };

  for (const { path, tools } of documents)
    describeWithRealParts(path, { network: 'namespaces', ...(tools && { tools }) }, () => {
      it('runs as written, and prints what it says', () => play(path), 600_000);
    });
};

for (const documents of SESSIONS)
  describeWithRealParts(documents.map(({ path }) => path).join(', '), { network: 'namespaces' }, () =>
    session(documents),
  );
