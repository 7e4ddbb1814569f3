import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compiledCopy } from '../../platform/src/testing/compiled-copy.js';
import { CliProcesses, until } from './testing/cli-process.js';
import { StandIn } from './testing/stand-in.js';

let home: string;
let cli: CliProcesses;
let platform: StandIn;
let records: string;

beforeAll(async () => {
  const { root } = compiledCopy();
  home = mkdtempSync(join(tmpdir(), 'drover-trouble-'));
  records = join(home, '.local/state/drover/apply');
  platform = await StandIn.start();
  cli = new CliProcesses(root, { HOME: home, PATH: '', DROVER_URL: platform.url, DROVER_TOKEN: 'drv_x' });
}, 120_000);
beforeEach(() => {
  platform.asked.length = 0;
  platform.answers = () => ({ templates: [], next_cursor: null });
});
afterAll(() => {
  cli?.killAll();
  platform?.stop();
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
});

const folder = (name: string): string => {
  mkdirSync(join(home, name), { recursive: true });
  return join(home, name);
};
const said = (error: string, why: string) =>
  expect.stringMatching(new RegExp(`^error: {3}${error}\n {2}why: {3}${why}`));
/** Whatever the process itself writes before it moves it to this place meets a full disk. */
const fullDisk = (file: string) => {
  mkdirSync(join(file, '..'), { recursive: true });
  const plant = `import { symlinkSync } from 'node:fs'; symlinkSync('/dev/full', '${file}.new-' + process.pid);`;
  return { node: ['--import', `data:text/javascript,${encodeURIComponent(plant)}`] };
};
const elsewhere = (config: string) => ({ env: { DROVER_URL: '', DROVER_TOKEN: '', XDG_CONFIG_HOME: config } });

describe('what is wrong with files is said in words, before anything is done that it would spoil', () => {
  it('a file of contexts that is cut off', async () => {
    const config = folder('broken');
    mkdirSync(join(config, 'drover'));
    writeFileSync(join(config, 'drover/contexts.json'), '{"contexts": {"prod"', { mode: 0o600 });
    const { code, err } = await cli.run('node list', elsewhere(config));
    expect([code, err]).toEqual([2, said('.*contexts.json holds no contexts', 'it is no JSON')]);
    expect(err).toMatch(/try: {3}mv (\S+) \1.broken, and drover login/);
  });

  it('which doctor finds as well, beside what else there is to find', async () => {
    const { code, out } = await cli.run('doctor', elsewhere(join(home, 'broken')));
    expect([code, out]).toEqual([
      1,
      expect.stringMatching(/^fail +contexts +.*it is no JSON[^]*^\w+ +\/dev\/net\/tun/m),
    ]);
  });

  it('a configuration folder that is none: no login is begun', async () => {
    writeFileSync(join(home, 'file'), '');
    const login = cli.run(`login lab --url ${platform.url} --no-browser`, elsewhere(join(home, 'file')));
    expect(await login).toMatchObject({
      code: 1,
      err: said('.*contexts.json cannot be written', 'a part of that path is a file'),
    });
    expect(platform.asked).toEqual([]);
  });

  it('a full disk under the contexts: no login is begun, and nothing half written is left', async () => {
    const config = folder('full');
    const full = { ...elsewhere(config), ...fullDisk(join(config, 'drover/contexts.json')) };
    const login = cli.run(`login lab --url ${platform.url} --no-browser`, full);
    expect(await login).toMatchObject({ code: 1, err: said('.*contexts.json cannot be written', 'the disk is full') });
    expect([platform.asked, readdirSync(join(config, 'drover'))]).toEqual([[], []]);
  });

  it('a full disk under what apply writes down: nothing is made', async () => {
    const fleet = join(home, 'fleet.yaml');
    writeFileSync(fleet, 'kind: Template\nname: one\n');
    const record = join(home, 'records/r.json');
    const { code, err } = await cli.run(`apply -f ${fleet} --record ${record}`, fullDisk(record));
    expect([code, err]).toEqual([2, said('.*r.json cannot be written', 'the disk is full')]);
    expect(platform.calls('system_create_template')).toEqual([]);
  });

  it('a full disk under the answer', async () => {
    platform.answers = () => ({ templates: [{ id: 'template-1', name: 'one' }], next_cursor: null });
    const { code, err } = await cli.shell('npx drover template list > /dev/full', home);
    expect([code, err]).toEqual([1, said('the answer could not be written', 'the disk is full')]);
  });

  it('a port for the browser that is taken', async () => {
    const config = elsewhere(folder('free'));
    const { code, err } = await cli.run(`login lab --url ${platform.url} --callback-port ${platform.port}`, config);
    expect([code, err]).toEqual([
      1,
      said(`cannot listen on 127.0.0.1:${platform.port}`, 'another program listens there'),
    ]);
  });
});

const GRANT = 'system_sdwan_create_access_grant';
const TEMPLATE = 'kind: Template\nname: one\n';
/** Lists are empty; what is made is answered by `answer`, and until then not at all. */
const applying = (documents: string) => {
  const fleet = join(home, 'interrupted.yaml');
  writeFileSync(fleet, documents);
  let answer: (data: object) => void = () => undefined;
  const made = new Promise<object>((resolve) => (answer = resolve));
  platform.answers = ({ path }) =>
    /_list_/.test(path) ? { templates: [], networks: [], grants: [], next_cursor: null } : made;
  return { ...cli.start(`apply -f ${fleet}`), answer };
};

describe('Ctrl-C', () => {
  it('in a change that was not answered yet: what is not known, and how it is made once only', async () => {
    platform.answers = () => undefined;
    const running = cli.start('template create one');
    await until('it is called', () => platform.calls('system_create_template').length === 1);
    running.child.kill('SIGINT');
    const { code, err } = await running.ended;
    const key = /idempotency_key=(\S+)/.exec(err)?.[1];
    expect([code, key]).toEqual([130, platform.calls('system_create_template')[0]!.headers['idempotency-key']]);
    expect(err).toMatch(/^error: {3}interrupted\n/);
  });

  it('in apply: the step under way is finished, what it made and told once is written down, and no other begins', async () => {
    const secret = join(home, 'laptop.url');
    const grant = (name: string) => `kind: Grant\nnetwork: net\nname: ${name}\nwrite_url_to: ${home}/${name}.url\n`;
    const running = applying(`${grant('laptop')}---\n${grant('phone')}`);
    await until('it is called', () => platform.calls(GRANT).length === 1);
    running.child.kill('SIGINT');
    await until('it is said', () => running.err().includes('Ctrl-C again leaves it'));
    expect(running.err()).toMatch(
      /finishing Grant .*the same apply finds out first, and makes it once; a grant whose URL was lost is revoked and made anew\n/,
    );
    running.answer({ outcome: 'done', grant: { id: 'access_grant-1' }, bootstrap_url: 'https://b/1' });
    const { code, err } = await running.ended;
    expect([code, err]).toEqual([130, expect.stringContaining('1 of 2 steps are done, 1 are not')]);
    expect([readFileSync(secret, 'utf8'), platform.calls(GRANT).length]).toEqual(['https://b/1\n', 1]);
    expect(readdirSync(home).filter((name) => name.includes('.url'))).toEqual(['laptop.url']);
    const [record] = readdirSync(records);
    expect(JSON.parse(readFileSync(join(records, record!), 'utf8'))).toMatchObject({
      made: [{ id: 'access_grant-1' }],
    });
  });

  it('twice in apply: it is gone, whatever the platform does', async () => {
    const running = applying(TEMPLATE);
    await until('it is called', () => platform.calls('system_create_template').length === 1);
    running.child.kill('SIGINT');
    await until('it is said', () => running.err().includes('Ctrl-C again leaves it'));
    running.child.kill('SIGINT');
    expect(await running.ended).toMatchObject({ code: 130, err: expect.not.stringContaining('URL') });
    expect(readdirSync(records).filter((name) => name.includes('.lock'))).toEqual([]);
  });

  it('with --wait: what was begun goes on, and where it is seen', async () => {
    const operation = { id: 'op-1', subject: 'web', status: 'running', state: 'pending' };
    const progress = { phase: 1, phases: 2, names: ['pending', 'done'] };
    platform.answers = () => ({ outcome: 'done', operation: { ...operation, progress } });
    const running = cli.start('template create one --wait');
    await until('it waits', () => running.err().includes('pending'));
    running.child.kill('SIGINT');
    const { code, err } = await running.ended;
    expect([code, err]).toEqual([130, expect.stringContaining('web goes on all the same; drover operation get op-1')]);
  });

  it('in a login: nothing is kept, and the process is gone', async () => {
    const config = folder('login');
    platform.answers = () => ({ authorization_url: 'http://127.0.0.1:9/authorize', login: 'l', state: 's' });
    // No browser is found: the address is shown, and whoever opens it is waited for.
    const running = cli.start(`login lab --url ${platform.url}`, elsewhere(config));
    await until('the address is shown', () => running.err().includes('/authorize'));
    running.child.kill('SIGINT');
    await running.ended;
    expect([running.child.signalCode ?? running.child.exitCode, readdirSync(join(config, 'drover'))]).toEqual([
      'SIGINT',
      [],
    ]);
  });
});
