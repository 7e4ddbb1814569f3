import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { CliError } from '../errors.js';
import { resolveSettings } from '../settings.js';
import { runContext, type ContextCommand } from './command.js';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'drover-contexts-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const context = async (line: string, { token = '', ...over }: Partial<ContextCommand> & { token?: string } = {}) => {
  const said: string[] = [];
  const url = /--url (\S+)/.exec(line)?.[1];
  const code = await runContext({
    flags: { json: false, ...(url === undefined ? {} : { url }) },
    help: false,
    words: line.replace(/ ?--url \S+/, '').split(' '),
    env: { HOME: home },
    stdin: Readable.from([token]) as unknown as ContextCommand['stdin'],
    out: (text) => void said.push(text),
    check: async () => undefined,
    end: async () => undefined,
    obtain: async () => {
      throw new Error('no browser here');
    },
    ...over,
  });
  return { code, text: said.join('\n') };
};
const settings = (flags: object = {}, env: object = {}) =>
  resolveSettings({ json: false, ...flags }, { HOME: home, ...env });

it('keeps tokens for their platform only, in a file for nobody else', async () => {
  await context('login prod --url https://prod.test/ --token-stdin', { token: 'secret-p\n' });
  await context('add lab --url http://lab.test --token-stdin', { token: 'secret-l' });
  expect(statSync(join(home, '.config/drover/contexts.json')).mode & 0o777).toBe(0o600);
  expect(settings()).toMatchObject({ url: 'https://prod.test', token: 'secret-p', context: 'prod' });
  expect(settings({ context: 'lab' })).toMatchObject({ url: 'http://lab.test', token: 'secret-l' });
  expect(settings({}, { DROVER_CONTEXT: 'lab' })).toMatchObject({ token: 'secret-l' });
  expect(settings({}, { DROVER_TOKEN: 'mine' })).toMatchObject({ url: 'https://prod.test', token: 'mine' });
  // Another platform never gets to see the token of this one.
  expect(() => settings({ url: 'http://evil.test' })).toThrow(expect.objectContaining({ exitCode: 4 }));
  expect(() => settings({}, { DROVER_URL: 'http://evil.test' })).toThrow(expect.objectContaining({ exitCode: 4 }));
  expect(() => settings({ url: 'http://x', context: 'lab' })).toThrow(expect.objectContaining({ exitCode: 2 }));
  const { text } = await context('list');
  expect(text).toContain('prod');
  expect(text).not.toContain('secret');
});

it('keeps what a login with a browser gave, and logs in again where it was', async () => {
  const asked: unknown[] = [];
  const obtain: ContextCommand['obtain'] = async (url, how) => {
    asked.push([url, how]);
    const who = { operator: { name: 'oidc:maria' }, account: { name: 'default' }, role: 'operator' };
    return { token: `t${asked.length}`, expires_at: '2026-11-21T20:00:00.000Z', ...who };
  };
  const { text } = await context('login prod --url https://prod.test/', { obtain });
  expect(text).toContain('logged in as oidc:maria, operator of default, until 2026-11-21T20:00:00.000Z');
  expect(text).not.toContain('t1');
  expect(settings()).toMatchObject({ url: 'https://prod.test', token: 't1', context: 'prod' });
  await context('login --no-browser --callback-port 8400', { obtain });
  expect(settings()).toMatchObject({ url: 'https://prod.test', token: 't2', context: 'prod' });
  expect(asked).toEqual([
    ['https://prod.test', { browser: true, device: false, port: 0 }],
    ['https://prod.test', { browser: false, device: false, port: 8_400 }],
  ]);
});

it('logs in where it is told to, and gives no token to another platform', async () => {
  const seen: string[] = [];
  const check = async (url: string) => void seen.push(url);
  await context('login prod --url https://prod.test --token-stdin', { token: 'p', check });
  await context('add lab --url http://lab.test');
  const flags = { json: false, context: 'lab' };
  await context('login --token-stdin', { token: 'l', check, flags });
  const env = { HOME: home, DROVER_CONTEXT: 'lab' };
  await context('login --token-stdin', { token: 'l2', check, env });
  expect(settings({ context: 'prod' })).toMatchObject({ url: 'https://prod.test', token: 'p' });
  expect(settings({ context: 'lab' })).toMatchObject({ url: 'http://lab.test', token: 'l2' });
  const elsewhere = { HOME: home, DROVER_URL: 'http://other.test' };
  await expect(context('login --token-stdin', { token: 'o', check, env: elsewhere })).rejects.toMatchObject({
    exitCode: 2,
    why: expect.stringContaining('http://other.test'),
  });
  expect(seen).toEqual(['https://prod.test', 'http://lab.test', 'http://lab.test']);
});

it('changes the current one and forgets', async () => {
  await context('login prod --url https://prod.test --token-stdin', { token: 'p' });
  await context('add lab --url http://lab.test --token-stdin', { token: 'l' });
  await context('use lab');
  expect(settings()).toMatchObject({ context: 'lab' });
  await context('remove lab');
  expect(() => settings({ context: 'lab' })).toThrow(expect.objectContaining({ exitCode: 2 }));
  await expect(context('use prdo')).rejects.toMatchObject({ exitCode: 2, meant: 'prod' });
});

it('logs out at the platform first, and forgets the token there is no more use for', async () => {
  await context('login prod --url https://prod.test --token-stdin', { token: 'p' });
  await context('login lab --url http://lab.test --token-stdin', { token: 'l' });
  await context('login off --url http://off.test --token-stdin', { token: 'o' });
  const ended: string[] = [];
  const end = async (url: string, token: string) => {
    if (url.includes('off')) throw new CliError('the platform at http://off.test does not answer', 'no', undefined, 3);
    ended.push(`${url} ${token}`);
  };
  await context('use lab');
  expect((await context('logout', { end })).text).toBe('lab: logged out: its token opens nothing any more');
  expect(ended).toEqual(['http://lab.test l']);
  expect(() => settings()).toThrow(expect.objectContaining({ exitCode: 4 }));
  await expect(context('logout off', { end })).rejects.toMatchObject({ exitCode: 3 });
  const all = await context('logout --all', { end });
  expect(all).toMatchObject({ code: 3, text: expect.stringContaining('off: not logged out') });
  expect(ended).toEqual(['http://lab.test l', 'https://prod.test p']);
  expect(settings({ context: 'off' })).toMatchObject({ token: 'o' });
  expect(() => settings({ context: 'prod' })).toThrow(expect.objectContaining({ exitCode: 4 }));
  await expect(context('logout prod lab', { end })).rejects.toMatchObject({ exitCode: 2 });
  await expect(context('logout --al', { end })).rejects.toMatchObject({ exitCode: 2 });
});

it.each([
  ['invalid_token', 'its token had ended already'],
  ['token_has_no_end', 'goes on there'],
])('forgets a token that the platform calls %s', async (code, told) => {
  await context('login a --url http://a.test --token-stdin', { token: 't' });
  const end = async () => {
    throw new CliError('no', code, undefined, 4, { code, message: 'no' } as never);
  };
  expect((await context('logout', { end })).text).toContain(told);
  expect(() => settings()).toThrow(expect.objectContaining({ exitCode: 4 }));
});

it('keeps nothing when the platform does not accept the token', async () => {
  const check = async () => {
    throw new CliError('no', 'invalid_token', undefined, 4);
  };
  await expect(context('login a --url http://a.test --token-stdin', { token: 't', check })).rejects.toMatchObject({
    exitCode: 4,
  });
  expect((await context('list')).text).toBe('no contexts');
});

it.each([
  ['login a', {}],
  ['login a --url http://a.test --callback-port 99999', {}],
  ['login a --token-stdin', {}],
  ['login a b --url http://a.test --token-stdin', { token: 't' }],
  ['login a --url ftp://a.test --token-stdin', { token: 't' }],
  ['login a --url http://a.test --token-stdin', { token: 'two words' }],
  ['login a --url http://a.test --token-stdin', { token: '' }],
  ['lst', {}],
  ['use', {}],
])('%s is refused', async (line, over) => {
  await expect(context(line, over)).rejects.toMatchObject({ exitCode: 2 });
});
