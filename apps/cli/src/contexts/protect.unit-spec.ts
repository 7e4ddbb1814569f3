import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { parseCommandLine } from '../arguments.js';
import { callTool, fetchCatalogue } from '../client.js';
import { resolveSettings } from '../settings.js';
import { runContext, type ContextCommand } from './command.js';
import { protectedAt, readContexts } from './file.js';
import { confirmCall } from './protect.js';

let home: string;
let platform: Server;
let url: string;
let guarded: boolean;
/** How often the tools were asked for. */
let listings: number;
/** Tools that were called. */
let called: string[];
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'drover-protect-'));
  [guarded, called, listings] = [false, [], 0];
  const tools = [
    { name: 'system_list_nodes', danger: 'read' },
    { name: 'system_delete_node', danger: 'destroy' },
  ];
  platform = createServer((request, response) => {
    const name = /^\/api\/v1\/tools\/(.+)$/.exec(request.url ?? '')?.[1];
    if (name === undefined) listings++;
    else called.push(name);
    response.end(JSON.stringify({ success: true, data: name === undefined ? { tools, guarded } : {} }));
  });
  await new Promise<void>((resolve) => platform.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(platform.address() as AddressInfo).port}`;
  await context('add prod --token-stdin', url);
  await context('protect prod');
});
afterEach(() => {
  platform.closeAllConnections();
  platform.close();
  rmSync(home, { recursive: true });
});

const context = async (line: string, at?: string) => {
  const stdin = new PassThrough();
  stdin.end('token');
  const said: string[] = [];
  const unused = async () => undefined as never;
  await runContext({
    ...{ flags: { json: false, ...(at === undefined ? {} : { url: at }) }, help: false, words: line.split(' ') },
    ...{ env: { HOME: home }, stdin: stdin as ContextCommand['stdin'], out: (text) => void said.push(text) },
    ...{ check: unused, end: unused, obtain: unused },
  });
  return said.join('\n');
};
/** A command as it is typed; outside a terminal unless somebody types something. */
const call = async (line: string, tool: string, args = {}, types?: string) => {
  const settings = resolveSettings(parseCommandLine(line.split(' ')).flags, { HOME: home });
  if (types !== undefined) {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    stdin.write(`${types}\n`);
    await confirmCall(settings, tool, args, fetchCatalogue, { stdin, stderr: new PassThrough() });
  }
  return callTool(settings, tool, args);
};

it('takes Ctrl-C and Ctrl-D at the question for what they are', async () => {
  const settings = resolveSettings({ json: false }, { HOME: home });
  for (const key of ['\x03', '\x04']) {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const stderr = Object.assign(new PassThrough(), { isTTY: true });
    stderr.once('data', () => stdin.write(key));
    const asked = confirmCall(settings, 'system_delete_node', {}, fetchCatalogue, { stdin, stderr });
    await expect(asked).rejects.toMatchObject({ exitCode: 130, why: expect.stringContaining('nothing was changed') });
  }
  expect(called).toEqual([]);
});

it('lets what reads, and what only tells what would be, pass', async () => {
  await call('x', 'system_list_nodes');
  await call('x', 'system_delete_node', { dry_run: true });
  expect(called).toEqual(['system_list_nodes', 'system_delete_node']);
});

it('lets no change pass without its name, also not by --url, nor what this CLI does not know', async () => {
  const wrong = ['x', '--yes-i-mean prdo', `--url ${url} --token-file /dev/null`];
  for (const line of wrong.slice(0, 2))
    await expect(call(line, 'system_delete_node')).rejects.toMatchObject({
      exitCode: 2,
      hint: expect.stringContaining('--yes-i-mean prod'),
    });
  await expect(call('x', 'system_new_tool')).rejects.toMatchObject({ exitCode: 2 });
  const env = { HOME: home, DROVER_TOKEN: 'other' };
  const settings = resolveSettings({ json: false, url }, env);
  await expect(callTool(settings, 'system_delete_node', {})).rejects.toMatchObject({ exitCode: 2 });
  await expect(call('x', 'system_delete_node', {}, 'prdo')).rejects.toMatchObject({ why: 'another name was typed' });
  await expect(call('x', 'system_delete_node', {}, '')).rejects.toMatchObject({ why: 'nothing was typed' });
  expect(called).toEqual([]);
});

it('goes on for who types its name, or writes it in a script', async () => {
  await call('x', 'system_delete_node', {}, 'prod');
  await call('--yes-i-mean prod', 'system_delete_node');
  await call('--yes-i-mean=prod', 'system_delete_node');
  expect(called).toHaveLength(3);
});

it('changes nothing with a guarded token, whatever it says', async () => {
  guarded = true;
  await expect(call('--yes-i-mean prod', 'system_delete_node')).rejects.toMatchObject({ exitCode: 4 });
  await expect(call('x', 'system_delete_node', {}, 'prod')).rejects.toMatchObject({ exitCode: 4 });
  await call('x', 'system_list_nodes');
  expect(called).toEqual(['system_list_nodes']);
});

it('stays protected through another login, is shown, and is taken back by name', async () => {
  await context('login prod --token-stdin');
  expect(readContexts({ HOME: home }).contexts['prod']).toMatchObject({ protected: true });
  expect(await context('list')).toMatch(/protected/i);
  await expect(context('protect prdo')).rejects.toMatchObject({ meant: 'prod' });
  await context('unprotect prod');
  await call('x', 'system_delete_node');
  expect(called).toEqual(['system_delete_node']);
});

it.each([
  ['https://prod.example', 'https://PROD.example'],
  ['https://prod.example', 'https://prod.example:443/'],
  ['https://prod.example', 'https://prod.example.'],
  ['https://prod.example', 'HTTPS://prod.example/x/..'],
  ['http://127.0.0.1:8080', 'http://127.1:8080'],
])('%s is protected also as %s', async (kept, written) => {
  await context('add other --token-stdin', kept);
  await context('protect other');
  const env = { HOME: home, DROVER_TOKEN: 'other' };
  const at = (where: string) => protectedAt(env, where);
  expect([at(written), at('https://prod.example:8443'), at('http://prod.example')]).toEqual([
    'other',
    undefined,
    undefined,
  ]);
});

it('goes by the name that was chosen where several are of one platform', async () => {
  await context('add live --token-stdin', url);
  await context('protect live');
  const [flags, env] = [{ json: false }, { HOME: home, DROVER_TOKEN: 'other' }];
  const chosen = (context: string) => resolveSettings({ ...flags, context }, env).protectedContext;
  expect([chosen('live'), chosen('prod')]).toEqual(['live', 'prod']);
  await context('unprotect live');
  expect(chosen('live')).toBe('prod');
});

it('asks for the tools once for a command that reads again and again', async () => {
  const settings = resolveSettings({ json: false }, { HOME: home });
  for (let i = 0; i < 3; i++) await callTool(settings, 'system_list_nodes', {});
  expect([called.length, listings]).toEqual([3, 1]);
  // What is known of the token is no leave to change something.
  await expect(callTool(settings, 'system_delete_node', {})).rejects.toMatchObject({ exitCode: 2 });
});

it('asks for them again where they were not answered', async () => {
  const settings = resolveSettings({ json: false }, { HOME: home });
  const list = async () => Promise.reject(new Error('away'));
  await expect(confirmCall(settings, 'system_list_nodes', {}, list)).rejects.toThrow('away');
  await callTool(settings, 'system_list_nodes', {});
  expect(called).toEqual(['system_list_nodes']);
});
