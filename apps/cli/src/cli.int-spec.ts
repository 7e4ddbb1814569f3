import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../platform/src/version.js';
import { EXIT_CODES, type ExitCode } from './errors.js';
import { until, type Answer } from './testing/cli-process.js';
import { wholeFleet } from './testing/fleet-files.js';
import { paperDemo, type PaperDemo } from './testing/paper-demo.js';

const CANARY = { environment: 'canary-environment-5f1', module: 'canary-module-9c2' };
let demo: PaperDemo;
let drover: PaperDemo['drover'];
let fleet: PaperDemo['fleet'];
let cli: PaperDemo['cli'];
let home: string;

beforeAll(async () => {
  demo = await paperDemo({ DROVER_SECRET_OF_MINE: CANARY.environment });
  ({ drover, fleet, cli, home } = demo);
}, 120_000);
afterAll(() => demo?.stop(), 60_000);

const file = (name: string, text: string): string => {
  writeFileSync(join(home, name), text);
  return join(home, name);
};
const json = (text: string) => JSON.parse(text) as Record<string, never>;
/** The out of a command that must go well. */
const ok = async (words: string | readonly string[]): Promise<string> => {
  const { code, out, err } = await cli.run(words);
  expect([words, code, err]).toEqual([words, 0, expect.any(String)]);
  return out;
};

describe('formats of one list', () => {
  it.each<[string, (out: string) => void]>([
    ['', (out) => expect(out).toMatch(/^ID +NAME .*\n(.*\n)?template-\S+ +k3s-workers/)],
    ['-o wide', (out) => expect(out).toMatch(/^ID +NAME +.*UPDATED_AT$/m)],
    ['--no-headers', (out) => expect(out).toMatch(/^template-/)],
    ['-o json', (out) => expect(json(out)).toMatchObject({ success: true, data: { templates: expect.any(Array) } })],
    ['--json', (out) => expect(json(out)).toMatchObject({ success: true })],
    ['-o yaml', (out) => expect(out).toMatch(/^templates:\n {2}- id: template-/)],
    ['-o name', (out) => expect(out.split('\n').sort()).toEqual(['template/k3s-servers', 'template/k3s-workers'])],
    ['-o ndjson', (out) => expect(out.split('\n').map((line) => json(line).name)).toContain('k3s-servers')],
    [
      '-o jsonpath={.templates[*].name}',
      (out) => expect(out.split(/\s/).sort()).toEqual(['k3s-servers', 'k3s-workers']),
    ],
    ['-o columns=name', (out) => expect(out.split('\n')[0]).toBe('NAME')],
    [
      '--fields name -o json',
      (out) =>
        expect(json(out)).toMatchObject({ data: { templates: [{ name: 'k3s-servers' }, { name: 'k3s-workers' }] } }),
    ],
  ])('%s', async (flags, check) => {
    check(await ok(`template list ${flags}`.trim()));
  });

  it('an empty list is no failure, and an empty array for programs', async () => {
    expect(await ok('webhook list')).toContain('no webhooks');
    expect(json(await ok('webhook list -o json'))).toMatchObject({ data: { webhooks: [] } });
  });
});

/** A command line for each exit code; `EXIT_CODES` is the table that people read (`drover help exit-codes`). */
const CASES: Readonly<Record<ExitCode, () => Promise<Answer>>> = {
  0: () => cli.run('node list'),
  1: () => cli.run('peer attach network_id=k3s-prod-net node_instance_id=awaited lan_subnets=0.0.0.0/0'),
  2: () => cli.run('node lst'),
  3: () => cli.run('node list --url http://127.0.0.1:1'),
  4: () => cli.run('node list', { env: { DROVER_TOKEN: 'wrong' } }),
  5: () => cli.run('node get nobody'),
  6: () => cli.run('node create k3s-server-1 node_template_id=k3s-servers'),
  7: () => cli.run('wait instance/awaited --for=state=running --timeout 100ms'),
  8: async () => {
    await drover.rest('system_terminate_instance', { id: 'ended', force: true });
    // An hour, and the test would end before it: it is told at once.
    return cli.run('wait instance/ended --for=state=running --timeout 1h');
  },
  9: () =>
    cli.run([
      ...['apply', '--set', 'part', '-f'],
      file('part.yaml', 'kind: Network\nname: second\n---\nkind: Peer\nnetwork: second\nnode: nobody\n'),
    ]),
  130: async () => {
    const waiting = cli.start('wait instance/awaited --for=state=running --timeout 1h');
    await until('it waits', () => waiting.err().includes('provisioning'));
    waiting.child.kill('SIGINT');
    return waiting.ended;
  },
};

describe('exit codes', () => {
  it.each(Object.keys(EXIT_CODES).map(Number))('%i', async (code) => {
    const answer = await CASES[code as ExitCode]?.();
    if (answer === undefined) throw new Error(`exit code ${code} has no case in CASES`);
    expect([answer.code, answer.err]).toEqual([code, expect.any(String)]);
    // What went wrong, why and what to try are on stderr, and nothing of it is on stdout.
    if (![0, 130].includes(code)) expect(answer.err).toMatch(/error: {3}.*\n {2}why: /);
    if (code !== 0) expect(answer.out).toBe('');
  });

  it('are what help tells', async () => {
    const told = await ok('help exit-codes');
    expect(told.split('\n').map((line) => Number(line.trim().split(' ')[0]))).toEqual(
      Object.keys(EXIT_CODES).map(Number),
    );
  });

  it('an error for programs is JSON on stdout, with the same code', async () => {
    const { code, out } = await cli.run('node get nobody --json');
    expect([code, json(out)]).toEqual([5, expect.objectContaining({ success: false })]);
  });
});

it('what it says to try works as typed', async () => {
  const { err } = await cli.run('node delete k3s-server-1');
  const [, command = ''] = /try: .*`drover ([^`]+)`/.exec(err) ?? [];
  expect(command).toBe('instance terminate id=k3s-server-1');
  expect((await cli.run(`${command} --dry-run`)).code).toBe(0);
  expect(await cli.run('instanse list')).toMatchObject({
    code: 2,
    err: expect.stringContaining('did you mean: drover instance'),
  });
});

it('--watch on a pipe: what is there, each change, 130 at Ctrl-C with the command that goes on', async () => {
  const first = cli.start('template list --watch');
  const seen = (running: typeof first) =>
    running
      .lines()
      .map(
        (line) => json(line) as unknown as { change: string; object: { name: string } | null; cursor: string | null },
      );
  await until('the list is there', () => seen(first).length >= 2);
  // The stream opens beside the first look: only what is made after that is certain to be told as new.
  let made = 0;
  await until('something is told as added', async () => {
    await fleet.ok('system_create_template', { name: `watched-${made++}` });
    await new Promise((resolve) => setTimeout(resolve, 400));
    return seen(first).some(({ change }) => change === 'added');
  });
  first.child.kill('SIGINT');
  const ended = await first.ended;
  expect([ended.code, /--after (\S+)/.exec(ended.err)?.[1]]).toEqual([130, expect.any(String)]);
  const cursor = /--after (\S+)/.exec(ended.err)![1]!;
  await fleet.ok('system_create_template', { name: 'made-meanwhile' });
  const second = cli.start(`template list --watch --after ${cursor}`);
  await until('what happened meanwhile is told', () =>
    seen(second).some(({ object }) => object?.name === 'made-meanwhile'),
  );
  expect(seen(second).map(({ object }) => object?.name)).not.toContain('k3s-servers');
  second.child.kill('SIGTERM');
  expect((await second.ended).code).toBe(130);
});

it('mcp answers what a script pipes in at once, after its stdin has ended', async () => {
  const clientInfo = { name: 'a-script', version: '1' };
  const said = [
    { id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } },
    { method: 'notifications/initialized' },
    { id: 2, method: 'tools/call', params: { name: 'system_list_templates', arguments: {} } },
  ];
  const stdin = said.map((one) => JSON.stringify({ jsonrpc: '2.0', ...one })).join('\n');
  const { code, out, err } = await cli.run('mcp --readonly', { stdin });
  expect([code, err]).toEqual([0, '']);
  const answers = out.split('\n').map((line) => JSON.parse(line) as { id: number; result: object });
  expect(answers.map(({ id }) => id)).toEqual([1, 2]);
  expect(answers[1]!.result).toMatchObject({ structuredContent: { templates: expect.any(Array) } });
});

it('event watch: one event a line, 130 at Ctrl-C, and the rest behind its cursor', async () => {
  const watching = cli.start('event watch system.template --from beginning');
  await until('events are told', () => watching.lines().length >= 2);
  watching.child.kill('SIGINT');
  const { code, out, err } = await watching.ended;
  expect([code, err]).toEqual([130, expect.stringMatching(/go on with drover event watch --after \S+/)]);
  const [one, two] = out.split('\n').map(json);
  const next = await ok(`event watch system.template --after ${String(one!.cursor)} --count 1`);
  expect(json(next).id).toBe(two!.id);
});

it('apply and diff: 0 nothing, 1 something, more when it cannot be told; prune takes only what it made', async () => {
  const path = file('fleet.yaml', wholeFleet(home, CANARY.module));
  expect(await cli.run(`diff -f ${path}`)).toMatchObject({ code: 1, out: expect.stringContaining('+ Network prod') });
  expect(await ok(`apply -f ${path} --dry-run`)).toContain('+ Node s1');
  expect(await ok('node list -o name')).not.toContain('node/s1');
  await ok(`apply -f ${path}`);
  expect(statSync(join(home, 'laptop.url')).mode & 0o777).toBe(0o600);
  await fleet.ok('system_sdwan_create_firewall_rule', { network_id: 'prod', name: 'by-hand', action: 'accept' });
  expect(await cli.run(`diff --prune -f ${path}`)).toMatchObject({ code: 0, out: 'nothing to do' });
  expect(await ok(`apply -f ${path}`)).toBe('nothing to do');

  file('fleet.yaml', wholeFleet(home, CANARY.module).split('---\nkind: FirewallRule')[0]!);
  const less = await cli.run(`diff --prune -f ${path}`);
  expect([less.code, less.out.match(/^- .*(?= {2})/gm)]).toEqual([
    1,
    ['- Grant prod/laptop', '- FirewallRule prod/closed'],
  ]);
  await ok(`apply --prune -f ${path}`);
  expect(await ok('firewall list -o name')).toBe('firewall/by-hand');

  const wrong = file('wrong.yaml', 'kind: Nod\nname: x\n');
  for (const verb of ['diff', 'apply'])
    expect(await cli.run(`${verb} -f ${wrong}`)).toMatchObject({
      code: 2,
      err: expect.stringContaining('wrong.yaml:1'),
    });
  expect((await cli.run(`diff -f ${path} --url http://127.0.0.1:1`)).code).toBe(3);
});

it('a grant that waits for an approval is asked for once, and its URL is written down after it', async () => {
  const tool = 'system_sdwan_create_access_grant';
  const policy = (rule: string) => fleet.ok('system_set_tool_policy', { tool, rule, applies_to: 'everyone' });
  const url = join(home, 'asked-url');
  const grant = file('grant.yaml', `kind: Grant\nnetwork: k3s-prod-net\nname: asked\nwrite_url_to: ${url}\n`);
  const { token } = await fleet.ok<{ token: { secret: string } }>('system_create_operator', {
    ...{ name: 'asker', role: 'operator' },
  });
  const apply = () => cli.run(`apply -f ${grant} --owner asker`, { env: { DROVER_TOKEN: token.secret } });
  await policy('require_approval');
  const [first, second] = [await apply(), await apply()];
  const { approvals } = await fleet.ok<{ approvals: { id: string }[] }>('list_approvals', { status: 'pending' });
  await policy('allow');
  expect(approvals).toHaveLength(1);
  const { id } = approvals[0]!;
  expect([first.code, second.code, second.out]).toEqual([0, 0, expect.stringContaining(`waits for approval ${id}`)]);
  await fleet.ok('approve_operation', { approval_id: id });
  const third = await apply();
  expect([third.code, third.err]).toEqual([0, expect.stringContaining(`made after approval ${id}`)]);
  expect(readFileSync(url, 'utf8')).toMatch(/^http\S+\n$/);
  expect(await apply()).toMatchObject({ code: 0, out: 'nothing to do' });
});

it('why, explain and --at', async () => {
  expect(await ok('why k3s-cluster-1')).toMatch(/^cluster k3s-cluster-1[^]*\nphases\n/);
  expect((await cli.run('why nobody')).code).toBe(5);
  expect(await ok('explain instance.state')).toMatch(/^instance\.state +<string>?/);
  expect(await cli.run('explain instance.sate')).toMatchObject({
    code: 5,
    err: expect.stringContaining('did you mean: drover explain instance.state'),
  });
  expect(await ok('node list --at 2020-01-01T00:00:00Z')).toContain('no nodes');
  const now = new Date(Date.now()).toISOString();
  expect(await ok(`node get k3s-server-1 --at ${now} -o jsonpath={.node.name}`)).toBe('k3s-server-1');
  expect((await cli.run(`platform health --at ${now}`)).code).toBe(2);
});

it('--dry-run: events, moves of virtual IPs and what WireGuard would be told, and nothing is changed', async () => {
  const holder = json(await ok('vip get k3s_api_endpoint --json')) as unknown as {
    data: { virtual_ip: { holders: [string] } };
  };
  const [id] = holder.data.virtual_ip.holders;
  const drain = await ok(`instance drain ${id} --dry-run`);
  expect(drain).toMatch(
    /would be done[^]*\nevents within 60 s\n[^]*instance\.drain_requested[^]*\nvirtual IPs\n.* → k3s-server-\d/,
  );
  const detach = await ok('peer detach k3s-server-2 --dry-run');
  expect(detach).toMatch(/nodes that would be told otherwise\n[^]*k3s-server-3\n {4}network\/[^]*- peer\/sdwan_peer-/);
  expect(detach).toMatch(/nothing was changed; plan_id plan_/);
  expect(await ok('peer list -o name')).toContain('k3s-server-2');
});

describe('the commands of the README', () => {
  const lines = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^npx drover .*$/gm)].map(([line]) => line);

  it.each(lines)('%s', async (line) => {
    const { code, err } = await cli.shell(line, ROOT);
    expect([code, err]).toEqual([line.startsWith('npx drover diff') ? 1 : 0, expect.any(String)]);
  });

  it('are there', () => expect(lines.length).toBeGreaterThan(8));

  it('the example fleet is whole after one apply', async () => {
    expect(await cli.shell('npx drover diff -f docs/examples/fleet.yaml', ROOT)).toMatchObject({
      code: 0,
      out: 'nothing to do',
    });
  });
});

it('contexts: a login is kept, chosen and forgotten, and its token shown to nobody', async () => {
  const elsewhere = { DROVER_URL: '', DROVER_TOKEN: '' };
  const run = (words: string, stdin = '') => cli.run(words, { env: elsewhere, stdin });
  expect((await run('node list')).code).toBe(4);
  expect((await run(`login lab --url ${drover.url} --token-stdin`, 'wrong')).code).toBe(4);
  expect((await run(`login lab --url ${drover.url} --token-stdin`, drover.token)).code).toBe(0);
  const list = await run('context list');
  expect([list.code, list.out.includes('lab'), list.out.includes(drover.token)]).toEqual([0, true, false]);
  expect((await run('node list -o name')).out).toContain('node/k3s-server-1');
  expect((await run('context use prod')).code).toBe(2);
  expect((await run('context remove lab')).code).toBe(0);
  expect((await run('node list')).code).toBe(4);
});

it('doctor finds nothing wrong, and support bundles what helps without a secret', async () => {
  const examined = json(await ok('doctor --json')) as unknown as {
    data: { healthy: boolean; checks: { verdict: string }[] };
  };
  expect([examined.data.healthy, examined.data.checks.length > 5]).toEqual([true, true]);
  expect(await cli.run('doctor', { env: { DROVER_URL: 'http://127.0.0.1:1' } })).toMatchObject({
    code: 1,
    out: expect.stringMatching(/^fail +platform/m),
  });
  const { join: made } = await fleet.ok<{ join: { token: string } }>('system_create_join_token', { id: 's1' });
  await ok(`support --out ${join(home, 'support.json')}`);
  const bundle = readFileSync(join(home, 'support.json'), 'utf8');
  const url = readFileSync(join(home, 'laptop.url'), 'utf8').trim();
  expect(bundle).toContain('k3s-server-1');
  for (const secret of [drover.token, made.token, url, url.split('/').at(-1)!, ...Object.values(CANARY)])
    expect([secret, bundle.includes(secret)]).toEqual([secret, false]);
  expect((await cli.run(`support --out ${join(home, 'support.json')}`)).code).toBe(2);
});

it('a Tab gets names of the platform, and no word of an error', async () => {
  // A busy machine may be too slow for a Tab: then there are no names, and the next Tab asks again.
  await ok('node list');
  await until('names come', async () =>
    (await cli.run(['__complete', 'instance', 'get', 'k3s-'])).out.includes('k3s-server-3\trunning'),
  );
  expect(await cli.run(['__complete', 'instance', 'get', 'k3s-'], { env: { DROVER_TOKEN: '' } })).toMatchObject({
    code: 4,
    out: '',
    err: '',
  });
  const told = await cli.run(['__complete', 'node', ''], { env: { DROVER_TOKEN: '', DROVER_DEBUG: '1' } });
  expect(told.err).toContain('there is no token');
});
