import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compiledCopy } from '../../platform/src/testing/compiled-copy.js';
import { CliProcesses } from './testing/cli-process.js';
import { StandIn } from './testing/stand-in.js';

/** Tells on stderr, as the process ends, which of our own modules were loaded. */
const COUNTER = `import { registerHooks } from 'node:module';
const own = [];
registerHooks({ load: (url, context, next) => (own.push(url), next(url, context)) });
process.on('exit', () => process.stderr.write(own.filter((one) => one.includes('/dist/')).map((one) => one.split('/dist/')[1]).join('\\n')));`;

let home: string;
let platform: StandIn;
let cli: CliProcesses;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'drover-start-'));
  platform = await StandIn.start();
  platform.answers = () => ({ templates: [{ id: 'template-1', name: 'one', status: 'live' }], next_cursor: null });
  cli = new CliProcesses(compiledCopy().root, { HOME: home, DROVER_URL: platform.url, DROVER_TOKEN: 'drv_x' });
}, 120_000);
afterAll(() => {
  cli?.killAll();
  platform?.stop();
  rmSync(home, { recursive: true, force: true });
});

it('start-up loads what the command needs and no more', async () => {
  const counter = join(home, 'count.mjs');
  writeFileSync(counter, COUNTER);
  const loaded = async (words: string) => (await cli.run(words, { node: ['--import', counter] })).err.split('\n');
  const src = 'apps/cli/src';
  const help = await loaded('--help');
  expect(help).toContain(`${src}/help.js`);
  expect(help.length).toBeLessThanOrEqual(8);
  // From then on the tools are known here.
  expect((await cli.run('template list')).code).toBe(0);
  const tab = await loaded('__complete template create o');
  expect(tab).toContain(`${src}/completion/complete.js`);
  expect(tab.length).toBeLessThanOrEqual(20);
  for (const part of ['commands', 'call', 'output', 'watch', 'apply/command'])
    expect([...help, ...tab]).not.toContain(`${src}/${part}.js`);
});
