import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PaperFleet } from '../../platform/src/testing/paper-fleet.js';
import { startTestPlatform, type TestPlatform } from '../../platform/src/testing/test-platform.js';
import { ROOT } from '../../platform/src/version.js';
import { runApply } from './apply/command.js';
import type { Cli } from './cli.js';
import { runCommand } from './commands.js';
import { CliError } from './errors.js';
import { failure } from './failure.js';
import { runSchema } from './schema/schema.js';
import { GOLDEN_CASES } from './testing/golden-cases.js';
import { stable } from './testing/golden.js';
import { runWait } from './wait.js';

const GOLDEN_ERROR =
  '{"success":false,"error":{"code":"node_not_found","message":"there is no node \\"spar\\"","field":"node_id",' +
  '"hint":"did you mean spare?","candidates":[{"id":"<node-1>","name":"spare"}],"correlation_id":"<uuid-1>","retryable":false}}';
const GOLDEN = join(ROOT, 'test/golden/cli');
let drover: TestPlatform;
let fleet: PaperFleet;
let home: string;
let whole: string;
let drained: string;
let cacheBefore: string | undefined;

/** The commands in this process: what starting a process is like is tested in cli.int-spec.ts. */
const cliWith = (flags: object, said: string[], told: string[]): Cli => ({
  settings: { url: drover.url, token: drover.token, json: false, ...flags },
  env: { HOME: home, XDG_STATE_HOME: home },
  out: (text) => void said.push(text),
  progress: (text) => void told.push(text),
  terminal: false,
  end: new AbortController().signal,
});
const asked = async (flags: object, use: (cli: Cli) => Promise<number>) => {
  const said: string[] = [];
  const told: string[] = [];
  try {
    return { code: await use(cliWith(flags, said, told)), out: said.join('\n'), told, error: undefined };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { code: error.exitCode, out: said.join('\n'), told, error };
  }
};
const run = (words: string, flags: object = {}) => asked(flags, (cli) => runCommand(cli, words.split(' '), false));
const ok = async (words: string, flags: object = {}): Promise<string> => {
  const { out, error } = await run(words, flags);
  expect([words, error]).toEqual([words, undefined]);
  return out;
};
const rows = async (words: string, kind: string) =>
  (JSON.parse(await ok(words, { json: true, output: 'json' })) as { data: Record<string, Record<string, unknown>[]> })
    .data[kind]!;
const later = () => new Promise((resolve) => setTimeout(resolve, 30));

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'drover-operator-'));
  cacheBefore = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = home;
  Object.defineProperty(process.stdout, 'columns', { value: 400, configurable: true });
  drover = await startTestPlatform();
  fleet = new PaperFleet(drover);
  await fleet.ok('system_sdwan_create_network', { name: 'prod' });
  for (const name of ['servers', 'workers']) await fleet.ok('system_create_template', { name });
  const ids = [];
  for (const name of ['s1', 's2', 's3']) ids.push(await fleet.machine(name, 'servers', 'prod'));
  await fleet.ok('system_create_node', { hostname: 'spare', node_template_id: 'workers', description: 'a, "b"' });
  await fleet.ok('system_sdwan_create_firewall_rule', { network_id: 'prod', name: 'closed', action: 'drop' });
  await fleet.ok('system_assign_module_to_template', { template_id: 'servers', module_name: 'k3s-server' });
  await fleet.cluster(ids);
  await fleet.ok('system_sdwan_create_access_grant', { network_id: 'prod', name: 'laptop' });
  await later();
  whole = new Date().toISOString();
  await later();
  await fleet.ok('system_provision_instance', { node_id: 'spare' });
  await fleet.ok('system_terminate_instance', { id: 'spare', force: true });
  await fleet.ok('system_sdwan_delete_firewall_rule', { firewall_rule_id: 'closed' });
  await fleet.ok('system_sdwan_revoke_access_grant', { grant_id: 'laptop' });
  await later();
  drained = new Date().toISOString();
});
afterAll(async () => {
  await drover?.stop();
  if (cacheBefore === undefined) delete process.env['XDG_CACHE_HOME'];
  else process.env['XDG_CACHE_HOME'] = cacheBefore;
  rmSync(home, { recursive: true, force: true });
});

/**
 * What scripts read, kept in test/golden/cli: whoever changes it sees so in the review. With DROVER_UPDATE_GOLDEN=1 the files are
 * written anew.
 */
describe('what scripts read', () => {
  const FORMATS = ['table', 'wide', 'json', 'yaml', 'name', 'ndjson'];
  it.each(GOLDEN_CASES)('%s', async (command, path, columns) => {
    const parts: string[] = [];
    for (const output of [...FORMATS, `jsonpath=${path}`, `columns=${columns}`])
      parts.push(`==== drover ${command} -o ${output}\n${await ok(command, { output, json: output === 'json' })}`);
    const found = `${stable(parts.join('\n'))}\n`;
    const file = join(GOLDEN, `${command.replaceAll(' ', '-')}.txt`);
    if (process.env['DROVER_UPDATE_GOLDEN'] === '1') {
      mkdirSync(GOLDEN, { recursive: true });
      writeFileSync(file, found);
    }
    expect(existsSync(file) ? readFileSync(file, 'utf8') : `${file} is missing`).toBe(found);
  });

  it('an error, for people and for programs', async () => {
    const { error } = await run('node get spar');
    expect(stable(failure(error!, false))).toBe(
      'error:  there is no node "spar"\n  why:  node_not_found, field node_id (HTTP 404)\n  did you mean: spare\n  correlation id: <uuid-1>',
    );
    const away = await run('node list', { url: 'http://127.0.0.1:1' });
    expect(JSON.parse(failure(away.error!, true))).toMatchObject({ error: { retryable: true } });
    expect(stable(failure(error!, true))).toBe(GOLDEN_ERROR);
  });
});

describe('--at', () => {
  it('shows what was in the words of what is, and takes the filters of the list', async () => {
    const then = await rows(`instance list --at ${whole}`, 'instances');
    expect(then.map(({ name, state, status }) => [name, state, status])).toEqual(
      ['s1', 's2', 's3'].map((name) => [name, 'running', 'running']),
    );
    const fields = (all: readonly Record<string, unknown>[]) => Object.keys(all[0]!).sort();
    expect(fields(then)).toEqual(fields(await rows('instance list', 'instances')));
    expect(await rows(`instance list --at ${drained}`, 'instances')).toHaveLength(3);
    expect(await rows(`instance list --at ${drained} --state terminated`, 'instances')).toHaveLength(1);
    expect(await rows(`instance list --at ${drained} include_gone=true limit=2`, 'instances')).toHaveLength(2);
    expect(await rows(`node list --at ${drained} node_template_id=workers`, 'nodes')).toHaveLength(1);
    expect(await rows(`peer list --at ${whole} network_id=prod`, 'peers')).toHaveLength(3);
    expect(await rows(`firewall list --at ${whole}`, 'firewall_rules')).toMatchObject([{ name: 'closed' }]);
    expect(await rows(`firewall list --at ${drained}`, 'firewall_rules')).toEqual([]);
    expect(await rows(`cluster nodes k3s-cluster-1 --at ${whole}`, 'nodes')).toHaveLength(3);
    expect(await rows('node list --at 10d', 'nodes')).toEqual([]);
  });

  it('finds one by id, name or purpose, and tells a story as far as it had come', async () => {
    expect(await ok(`vip get k3s_api_endpoint --at ${whole}`)).toMatch(/^state +active$/m);
    expect(await ok(`cluster get k3s-cluster-1 --at ${whole}`)).toMatch(/^status +active$/m);
    expect((await run(`instance get spare --at ${whole}`)).error).toMatchObject({ exitCode: 5 });
    expect(await ok(`template get servers --at ${whole}`)).toMatch(/^node_count +3$/m);
    expect(await ok(`why k3s-cluster-1 --at ${whole}`)).toContain('cluster.claimed');
    expect(await ok('why k3s-cluster-1 --at 10d')).not.toContain('cluster.claimed');
  });

  it('shows grants, hosts, kubeconfigs, webhooks, operators and tokens of then, and tokens over by the clock of then', async () => {
    expect(await rows(`grant list --at ${whole}`, 'grants')).toMatchObject([{ name: 'laptop', status: 'pending' }]);
    expect(await rows(`grant list --at ${drained}`, 'grants')).toMatchObject([{ name: 'laptop', status: 'revoked' }]);
    expect(await rows('grant list --at 10d', 'grants')).toEqual([]);
    const fields = (all: readonly Record<string, unknown>[]) => Object.keys(all[0]!).sort();
    for (const [noun, key] of [
      ['grant', 'grants'],
      ['operator', 'operators'],
      ['token', 'tokens'],
    ] as const)
      expect(fields(await rows(`${noun} list --at ${whole}`, key))).toEqual(fields(await rows(`${noun} list`, key)));
    expect(await rows(`token list operator=admin --at ${whole}`, 'tokens')).toMatchObject([{ status: 'active' }]);
    expect(await rows(`docker list --at ${whole}`, 'hosts')).toEqual([]);
    expect(await rows(`kubeconfig list --at ${whole} cluster_id=k3s-cluster-1`, 'kubeconfigs')).toEqual([]);
    expect(await rows(`snapshot list k3s-cluster-1 --at ${whole}`, 'restores')).toEqual([]);
    expect(await rows(`webhook list --at ${whole}`, 'webhooks')).toEqual([]);
  });

  it('shows who held a virtual IP, what happened, who reached whom and which way, as of then', async () => {
    const held = await rows(`vip assignments k3s_api_endpoint --at ${whole}`, 'assignments');
    expect(held.map((one) => Object.keys(one))).toEqual(
      (await rows('vip assignments k3s_api_endpoint', 'assignments')).map((one) => Object.keys(one)),
    );
    const then = await rows(`recent-events system.sdwan.access_grant --at ${whole}`, 'events');
    const now = await rows('recent-events system.sdwan.access_grant', 'events');
    expect([then.length, now.length > then.length]).toEqual([1, true]);
    expect(await rows(`network topology prod --at ${whole}`, 'peers')).toHaveLength(3);
    expect(await rows(`network routes prod --at ${whole}`, 'virtual_ips')).toHaveLength(1);
    expect((await run('network topology prod --at 10d')).error).toMatchObject({ exitCode: 5 });
  });

  it('a whole fleet is shown with a heading over each table', async () => {
    const text = await ok(`fleet at ${whole}`);
    expect(text).toMatch(/^templates:\nID /);
    expect(text).toMatch(/\n\ngrants:\nID +NAME/);
    expect(await ok('fleet at 10d')).toMatch(/^no templates, nodes, /);
    expect((await run('node list --watch --at 10m')).error).toMatchObject({ exitCode: 2 });
    expect(text).toMatch(/\n\nno docker hosts, snapshots, kubeconfigs, webhooks\n/);
  });

  it.each([
    ['platform health', 'the past is kept of'],
    ['agent list', 'the past is kept of'],
    ['vpn list', 'a device is a grant and its peer'],
    ['instance silent', 'measured, not logged'],
    ['module versions', 'not folded for the past'],
    ['node list cursor=x', 'cannot be cut by that'],
    ['node create x', 'the past cannot be changed'],
  ])('%s refuses it', async (command, why) => {
    const { error } = await run(`${command} --at ${whole}`);
    expect(error).toMatchObject({ exitCode: 2, why: expect.stringContaining(why) });
  });
});

describe('wait', () => {
  const wait = (words: string, flags: object = {}) => asked(flags, (cli) => runWait(cli, words.split(' ')));

  it.each([
    ['instance/s1 --for=state=running', 0],
    ['instance s1 --for=condition=ready', 0],
    ['network/prod --for=state=ready', 0],
    ['vip/k3s_api_endpoint --for=state=active', 0],
    ['instance/spare --for=delete', 0],
    ['firewall/closed --for=delete', 0],
    ['firewall/closed --for=condition=Ready', 5],
    ['cluster/k3s-cluster-1 --for=state=decommissioned --timeout 1ms', 7],
    ['instance/s1 --for=state=runing', 2],
    ['snapshot/x --for=state=available', 2],
    ['snapshot/k3s-cluster-1/x --for=state=available', 5],
    ['network/prod --for=state=up', 2],
    ['vip/k3s_api_endpoint --for=condition=Redy', 2],
    ['nobody/x --for=delete', 2],
  ])('%s: %i', async (words, code) => {
    const answer = await wait(words);
    expect([words, answer.code, answer.error?.why]).toEqual([words, code, answer.error?.why]);
  });

  it('is told at once when what was to be deleted is no more though it is still told of, and answers programs', async () => {
    const gone = await rows('instance list include_gone=true', 'instances');
    const id = String(gone.find(({ state }) => state === 'terminated')!.id);
    const { code, out } = await wait(`instance/${id} --for=delete`, { json: true });
    expect([code, JSON.parse(out)]).toEqual([
      0,
      { success: true, data: { subject: `instance/${id}`, state: 'terminated' } },
    ]);
    expect((await wait(`instance/${id} --for=state=running --timeout 1h`)).code).toBe(8);
  });
});

describe('apply by two fleets', () => {
  const apply = (words: string, text: string) => {
    const file = join(home, 'fleet.yaml');
    writeFileSync(file, text);
    return asked({}, (cli) => runApply(() => cli, 'apply', [...words.split(' '), '-f', file], cli.out));
  };
  const template = (name: string, description: string) =>
    `kind: Template\nname: ${name}\ndescription: ${description}\n`;
  const names = async () => (await rows('template list', 'templates')).map(({ name }) => name);

  it('refuses what another fleet made, by its name, until it is taken over; prune goes by who owns it', async () => {
    expect((await apply('--owner edge', template('shared', 'of edge'))).code).toBe(0);
    await fleet.ok('system_create_template', { name: 'by-hand' });
    const refused = await apply('--owner core', template('shared', 'of core'));
    expect(refused.error).toMatchObject({ exitCode: 6, why: expect.stringContaining('belongs to the fleet "edge"') });
    // Nothing of it was made, and the other's prune would still take it.
    expect(await ok('template get shared')).toContain('of edge');

    const taken = await apply('--owner core --take-over', template('shared', 'of core'));
    expect([taken.code, taken.told[0]]).toEqual([0, 'Template shared belongs to core; until now to edge']);
    expect((await apply('--owner edge --prune', template('mine', 'of edge'))).code).toBe(0);
    expect(await names()).toEqual(expect.arrayContaining(['shared', 'mine', 'by-hand']));
    expect((await apply('--owner core --prune', template('other', 'of core'))).code).toBe(0);
    expect(await names()).not.toContain('shared');
    expect(await names()).toEqual(expect.arrayContaining(['mine', 'other', 'by-hand']));
  });

  it('changes what was made by hand, and prunes it only after it was taken over', async () => {
    await apply('--owner third', template('by-hand', 'changed'));
    await apply('--owner third --prune', template('own', 'x'));
    expect(await names()).toContain('by-hand');
    await apply('--owner third --take-over', `${template('by-hand', 'changed')}---\n${template('own', 'x')}`);
    await apply('--owner third --prune', template('own', 'x'));
    expect(await names()).not.toContain('by-hand');
    expect((await apply('--prun', template('own', 'x'))).error).toMatchObject({ exitCode: 2, meant: '--prune' });
  });
});

it('schema: every command with what it takes and answers, a thing, and what was meant', async () => {
  const schema = async (...words: string[]) => {
    const { out, error } = await asked({}, (cli) => runSchema(() => cli, words, cli.out));
    return error ?? (JSON.parse(out) as Record<string, never>);
  };
  const all = (await schema()) as unknown as { commands: { tool: string; input: object; output: object | null }[] };
  const listed = JSON.parse(await ok('tools', { json: true, output: 'json' })) as { data: { tools: unknown[] } };
  expect(all.commands).toHaveLength(listed.data.tools.length);
  expect(all.commands.every(({ input, output }) => 'properties' in input && output !== null)).toBe(true);
  expect(await schema('instance')).toMatchObject({ title: 'instance', properties: { state: { type: 'string' } } });
  expect(await schema('node', 'create', '--arguments')).toMatchObject({ required: ['hostname', 'node_template_id'] });
  expect(await schema('node', 'lst')).toMatchObject({ exitCode: 2, meant: 'drover schema node list' });
  expect(await schema('instanc')).toMatchObject({ exitCode: 2, meant: 'drover schema instance' });
});

it('the order of words of other programs is answered with what was meant', async () => {
  expect((await run('get nodes')).error).toMatchObject({ exitCode: 2, meant: 'drover node list' });
  expect((await run('describe node s1')).error).toMatchObject({ exitCode: 2, meant: 'drover node get s1' });
});
