import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { BROWSER, enterCode, signIn, startOidcProvider } from '../../../test/doubles/oidc/start.js';
import { compiledCopy } from './testing/compiled-copy.js';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

/** People, a real OpenID Connect provider, the platform and the CLI: each in a process or a server of its own. */
let drover: TestPlatform;
let provider: Awaited<ReturnType<typeof startOidcProvider>>;
let root: string;
let home: string;

const RULES = [
  { claim: 'groups', is: 'chiefs', role: 'admin' },
  { claim: 'groups', is: 'ops', role: 'operator' },
  { claim: 'groups', is: 'team-b', role: 'viewer', account: 'team-b' },
];
const PEOPLE = {
  maria: { groups: ['ops'] },
  boris: { groups: ['team-b'] },
  eve: { groups: [] },
  admin: { groups: ['ops'] },
};

beforeAll(async () => {
  root = compiledCopy().root;
  home = mkdtempSync(join(tmpdir(), 'drover-login-'));
  provider = await startOidcProvider(PEOPLE);
  drover = await startTestPlatform({
    DROVER_EVENT_STORE: 'memory',
    DROVER_OIDC_ISSUER: provider.issuer,
    DROVER_OIDC_CLIENT_ID: 'drover',
    DROVER_OIDC_SCOPES: 'openid profile groups',
    DROVER_OIDC_RULES: JSON.stringify(RULES),
  });
  await drover.rest('system_create_account', { name: 'team-b' });
});
afterAll(async () => {
  await drover.stop();
  await provider.stop();
  rmSync(home, { recursive: true });
});

/** One `drover` as `person` sits in front of it. */
const cli = async (person: string, words: readonly string[], stdin?: (told: string) => string | undefined) => {
  const env = { PATH: process.env.PATH, HOME: join(home, person), BROWSER, OIDC_PERSON: person };
  const child = spawn(process.execPath, [join(root, 'bin/drover.mjs'), ...words], { env });
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => {
    told += chunk.toString();
    const typed = stdin?.(told);
    if (typed !== undefined) child.stdin.end(`${typed}\n`);
  });
  if (stdin === undefined) child.stdin.end();
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  const out = await text(child.stdout);
  return { code: await exited, out, err: told };
};
const login = (person: string) => cli(person, ['login', '--url', drover.url]);
const contextOf = (person: string) => {
  const file = join(home, person, '.config/drover/contexts.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  return (JSON.parse(readFileSync(file, 'utf8')) as { contexts: { default: { token: string } } }).contexts.default;
};
const events = async (kind_prefix: string) => {
  const { body } = await drover.rest('recent_events', { kind_prefix, limit: 100 });
  return body.data['events'] as { readonly payload: Record<string, unknown> }[];
};
const post = async (path: string, body: object) => {
  const response = await fetch(`${drover.url}/api/v1/login/oidc/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { data: Record<string, string>; error: { code: string; field?: string } };
  return { status: response.status, ...answer };
};

it('lets somebody in by their browser, as what their group says, in a context that only they can read', async () => {
  const first = await login('maria');
  expect(first).toMatchObject({
    code: 0,
    out: expect.stringContaining('logged in as oidc:maria, operator of default, until'),
  });
  const { token } = contextOf('maria');
  expect(first.out + first.err).not.toContain(token.slice(-43));
  expect((await cli('maria', ['template', 'create', 'hers'])).code).toBe(0);
  expect((await drover.rest('system_list_operators', {}, token)).status).toBe(200);
  expect((await drover.rest('system_create_operator', { name: 'x', role: 'viewer' }, token)).body.error.code).toBe(
    'permission_denied',
  );
  const [came] = await events('system.operator.logged_in');
  expect(came?.payload).toMatchObject({
    method: 'oidc',
    issuer: provider.issuer,
    role: 'operator',
    address: '127.0.0.1',
  });
});

it('makes nobody the admin who is called so at the provider', async () => {
  expect((await login('admin')).out).toContain('logged in as oidc:admin, operator of default');
  const { body } = await drover.rest('system_list_operators', {});
  const names = (body.data['operators'] as { name: string }[]).map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['admin', 'oidc:admin', 'oidc:maria']));
});

it('leads to the account of the rule, where nothing of another is seen', async () => {
  expect((await login('boris')).out).toContain('logged in as oidc:boris, viewer of team-b');
  const { body } = await drover.rest('system_list_templates', {}, contextOf('boris').token);
  expect(body.data['templates']).toEqual([]);
});

it('refuses whom no rule lets in, with an event that names them, and leaves no context', async () => {
  expect(await login('eve')).toMatchObject({ code: 4, err: expect.stringContaining('login_not_mapped') });
  expect(() => contextOf('eve')).toThrow('ENOENT');
  expect((await events('system.login.refused')).at(-1)?.payload).toMatchObject({
    code: 'login_not_mapped',
    subject: 'eve',
  });
});

it('takes the address that a browser elsewhere ended at', async () => {
  const typed = (told: string) => {
    const url = /^ {2}(http\S+)\n/m.exec(told)?.[1];
    return url !== undefined && told.includes('Paste it here') ? signIn(url, 'maria').href : undefined;
  };
  const done = await cli('ssh', ['login', 'far', '--url', drover.url, '--no-browser'], typed);
  expect(done).toMatchObject({ code: 0, out: expect.stringContaining('far is http') });
});

it('lets somebody in on a machine without a browser, by a code that they enter on another', async () => {
  let entered = false;
  const enter = (told: string) => {
    const url = /or open (http\S+),/.exec(told)?.[1];
    if (url === undefined || entered) return undefined;
    entered = true;
    enterCode(url, 'maria');
    return '';
  };
  const done = await cli('device', ['login', '--url', drover.url, '--device'], enter);
  expect(done).toMatchObject({ code: 0, out: expect.stringContaining('logged in as oidc:maria, operator of default') });
  expect(done.err).toMatch(/and enter the code [A-Z0-9-]{4,}/);
  expect((await drover.rest('system_list_nodes', {}, contextOf('device').token)).status).toBe(200);
  expect(await post('device/finish', { login: 'x', code_verifier: 'v'.repeat(43) })).toMatchObject({
    status: 400,
    error: { code: 'login_unknown' },
  });
});

it('ends the token on the platform when somebody logs out, and no other, and not one without an end', async () => {
  expect((await login('maria')).code).toBe(0);
  const [here, there] = [contextOf('maria').token, contextOf('device').token];
  const out = await cli('maria', ['logout']);
  expect(out).toMatchObject({ code: 0, out: expect.stringContaining('its token opens nothing any more') });
  expect(JSON.stringify(contextOf('maria'))).not.toContain('token');
  const opens = async (token: string) => (await drover.rest('system_list_nodes', {}, token)).status;
  expect([await opens(here), await opens(there)]).toEqual([401, 200]);
  const [ended] = (await events('system.operator.token_revoked')).slice(-1);
  expect(ended?.payload).toMatchObject({ because: 'logged_out' });
  const first = await fetch(`${drover.url}/api/v1/logout`, {
    method: 'POST',
    headers: { authorization: `Bearer ${drover.token}` },
  });
  expect([first.status, await opens(drover.token)]).toEqual([409, 200]);
  expect((await login('maria')).code).toBe(0);
});

it('takes a role away with the next login, and the sessions that had it', async () => {
  const before = contextOf('maria').token;
  provider.change({ ...PEOPLE, maria: { groups: ['team-b'] } });
  expect((await login('maria')).out).toContain('viewer of team-b');
  expect((await drover.rest('system_list_nodes', {}, before)).status).toBe(401);
  provider.change(PEOPLE);
});

it('lets a disabled operator in no more, who is found by name', async () => {
  expect((await login('maria')).code).toBe(0);
  expect((await drover.rest('system_disable_operator', { operator: 'oidc:maria' })).status).toBe(200);
  expect((await drover.rest('system_list_nodes', {}, contextOf('maria').token)).status).toBe(401);
  expect(await login('maria')).toMatchObject({ code: 4, err: expect.stringContaining('operator_disabled') });
  expect((await drover.rest('system_enable_operator', { operator: 'oidc:maria' })).status).toBe(200);
});

it('takes a code once, from who began the login', async () => {
  const code_verifier = 'v'.repeat(43);
  const code_challenge = createHash('sha256').update(code_verifier).digest('base64url');
  const redirect_uri = 'http://127.0.0.1:4999/callback';
  const begin = async () => (await post('start', { redirect_uri, code_challenge })).data;
  const [one, two] = [await begin(), await begin()];
  const back = Object.fromEntries(signIn(one['authorization_url']!, 'admin').searchParams);
  const finish = { ...back, login: one['login'], code_verifier } as Record<string, unknown>;
  expect(back).toMatchObject({ iss: provider.issuer, state: one['state'] });
  // Somebody else's login with this code: the provider has bound it to another redirect, nonce and challenge; ours refuses before.
  const stolen = await post('finish', { ...finish, login: two['login'], state: two['state'], code: back['code'] });
  expect(stolen).toMatchObject({ status: 401, error: { code: 'id_token_nonce' } });
  expect(await post('finish', finish)).toMatchObject({ status: 401, error: { code: 'code_refused' } });
  expect(await post('finish', finish)).toMatchObject({ status: 409, error: { code: 'login_used' } });
  const bad = { redirect_uri: 'https://evil.example/callback', code_challenge };
  expect(await post('start', bad)).toMatchObject({
    status: 400,
    error: { code: 'invalid_request', field: 'redirect_uri' },
  });
  expect(await post('start', { redirect_uri, code_challenge, role: 'admin' })).toMatchObject({ status: 400 });
});

it('says that the provider let nobody in, and that a platform knows none', async () => {
  // A browser in which somebody pressed Cancel.
  const cancelled = (told: string) => {
    const [url, state] = /^ {2}(http\S+?state=([\w-]+)\S*)\n/m.exec(told)?.slice(1) ?? [];
    if (url === undefined || !told.includes('Paste it here')) return undefined;
    return `http://127.0.0.1:1/callback?error=access_denied&state=${state}`;
  };
  const denied = await cli('no', ['login', '--url', drover.url, '--no-browser'], cancelled);
  expect(denied).toMatchObject({ code: 4, err: expect.stringContaining('access_denied') });
  const plain = createServer((_, response) =>
    response.writeHead(404).end('{"success":false,"error":{"code":"oidc_not_configured","message":"x"}}'),
  );
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  const { port } = plain.address() as { port: number };
  const without = await cli('none', ['login', '--url', `http://127.0.0.1:${port}`]);
  plain.close();
  expect(without).toMatchObject({ code: 5, err: expect.stringContaining('oidc_not_configured') });
});
