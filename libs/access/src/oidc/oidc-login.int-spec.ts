import { type JWTPayload } from 'jose';
import { DEFAULT_ACCOUNT_ID } from '../application/bootstrap.js';
import { operatorDecider } from '../domain/operator/operator.js';
import { signed } from '../testing/scripted-provider.js';
import { OidcLogin } from './oidc-login.js';
import {
  begun,
  CHALLENGE,
  codeOf,
  gives,
  logIn,
  NOW,
  provider,
  providerForEach,
  SENDER,
  setUp,
  VERIFIER,
} from '../testing/oidc-world.js';

providerForEach();

describe('somebody whom a rule lets in', () => {
  it('becomes an operator at the first login, with a token that ends, and stays the same one under another name', async () => {
    const world = await setUp();
    const { asked, claims, request } = await begun(world);
    expect(asked).toMatchObject({
      ...{ response_type: 'code', client_id: 'drover', scope: 'openid groups', code_challenge_method: 'S256' },
      ...{ code_challenge: CHALLENGE, redirect_uri: 'http://127.0.0.1:5000/callback' },
    });
    gives(signed(claims, provider.keys[0]!));
    const first = await world.login.finish(request, SENDER);
    expect(first).toMatchObject({
      role: 'admin',
      account: { name: 'default' },
      operator: { name: 'oidc:maria@example.com' },
    });
    expect(await world.directory.authenticate(first.token)).toMatchObject({
      ...{ operatorId: first.operator.id, accountId: DEFAULT_ACCOUNT_ID, expiresAtMs: NOW + 3_600_000 },
    });
    const again = await logIn(world, { preferred_username: 'admin' });
    expect(again.operator).toEqual(first.operator);
    expect(again.token).not.toBe(first.token);
    // Another person with the name that she had is another operator, and is called otherwise.
    const other = await logIn(world, { sub: 'sub-2', preferred_username: 'maria@example.com' });
    expect(other.operator.id).not.toBe(first.operator.id);
    expect(other.operator.name).toMatch(/^oidc:maria@example\.com-[0-9a-f]{6}$/);
    const kinds = (await world.kinds()).map(({ type }) => type.replace('system.', ''));
    expect(kinds.slice(1, 4)).toEqual(['operator.created', 'operator.token_created', 'operator.logged_in']);
    expect(JSON.stringify((await world.kinds()).map(({ data }) => data))).not.toContain(first.token.slice(-43));
  });

  it('is never an admin by chance: roles come from the first rule that fits, addresses only when verified', async () => {
    const world = await setUp();
    const roleOf = (over: JWTPayload) =>
      codeOf(logIn(world, { sub: JSON.stringify(over), ...over }).then(({ role }) => Promise.reject(role)));
    expect(await roleOf({ groups: ['x'], realm: { roles: ['a', 'ops'] } })).toBe('operator');
    expect(await roleOf({ groups: [], email: 'a@example.com', email_verified: true })).toBe('viewer');
    expect(await roleOf({ groups: [], email: 'a@example.com' })).toBe('login_not_mapped');
    expect(await roleOf({ groups: [], email: 'a@example.com.evil', email_verified: true })).toBe('login_not_mapped');
    expect(await roleOf({ groups: 'chief' })).toBe('login_not_mapped');
    expect(await roleOf({ groups: { chiefs: true } })).toBe('login_not_mapped');
    expect(await roleOf({ groups: ['lost'] })).toBe('login_account_unknown');
    expect(await roleOf({ groups: ['lost', 'chiefs'] })).toBe('admin');
  });

  it('loses the sessions of a role that was taken away, and all of them with the last one', async () => {
    const world = await setUp();
    const { token: one } = await logIn(world);
    const { token: two } = await logIn(world);
    const open = async (...tokens: string[]) => Promise.all(tokens.map(world.opens));
    expect(await open(one, two)).toEqual([true, true]);
    const { token: less } = await logIn(world, { groups: [], realm: { roles: ['ops'] } });
    expect(await open(one, two, less)).toEqual([false, false, true]);
    expect(await codeOf(logIn(world, { groups: ['lost'] }))).toBe('login_account_unknown');
    expect(await open(less)).toEqual([false]);
  });

  it('loses those of an account that no rule names any more', async () => {
    const world = await setUp();
    const { token, operator } = await logIn(world);
    const rules = [{ claim: 'groups', is: 'others', role: 'viewer', account: 'elsewhere' } as const];
    const later = { ...world, login: new OidcLogin({ ...world.parts, rules }) };
    // Somebody else's refusal ends nothing of hers.
    expect(await codeOf(logIn(later, { sub: 'sub-2' }))).toBe('login_not_mapped');
    expect(await world.opens(token)).toBe(true);
    expect(await codeOf(logIn(later))).toBe('login_not_mapped');
    expect(await world.opens(token)).toBe(false);
    expect((await world.kinds()).at(-2)).toMatchObject({ stream: operator.id, data: { because: 'no_rule' } });
  });

  it('is not let in while the operator is disabled', async () => {
    const world = await setUp();
    const { operator } = await logIn(world);
    const context = { correlationId: 'c', causationId: 'c', accountId: DEFAULT_ACCOUNT_ID, nowMs: NOW, commandId: 'd' };
    const actor = { kind: 'system', id: 'test' } as const;
    const disable = { type: 'disable', reason: '' } as const;
    await world.transactor.transact(operator.id, operatorDecider, disable, { ...context, actor });
    expect(await codeOf(logIn(world))).toBe('operator_disabled');
  });

  it('may have what counts in the userinfo only, and only about themselves', async () => {
    const world = await setUp();
    provider.userinfo = { sub: 'sub-1', groups: ['chiefs'] };
    expect((await logIn(world, { groups: undefined })).role).toBe('admin');
    provider.userinfo = { sub: 'sub-2', groups: ['chiefs'] };
    expect(await codeOf(logIn(world, { groups: undefined }))).toBe('userinfo_mismatch');
  });

  it('has the address that was verified, not another one that stands beside it', async () => {
    const world = await setUp();
    const codeWith = (over: JWTPayload) => codeOf(logIn(world, { groups: [], ...over }));
    provider.userinfo = { sub: 'sub-1', email: 'me@elsewhere.test', email_verified: true };
    expect(await codeWith({ email: 'boss@example.com' })).toBe('login_not_mapped');
    provider.userinfo = { sub: 'sub-1', email: 'boss@example.com', email_verified: false };
    expect(await codeWith({ email_verified: true })).toBe('login_not_mapped');
    provider.userinfo = { sub: 'sub-1', email: 'me@example.com', email_verified: true };
    expect(await codeWith({ email: 'me@example.com' })).toBe('let in');
    expect(await codeWith({})).toBe('let in');
  });

  it('keeps at most twenty sessions', async () => {
    const world = await setUp();
    const tokens: string[] = [];
    const ended: number[] = [];
    for (let i = 0; i < 22; i++) {
      const { token, ended_sessions } = await logIn(world);
      tokens.push(token);
      ended.push(ended_sessions);
    }
    expect(ended).toEqual(tokens.map((_, i) => (i < 20 ? 0 : 1)));
    const open = await Promise.all(
      tokens.map(async (token) => (await world.directory.authenticate(token)) !== undefined),
    );
    expect(open).toEqual(tokens.map((_, i) => i >= 2));
  });
});

describe('a provider', () => {
  it('that is away, or speaks for another, is said to be unavailable, and nobody is to blame', async () => {
    const away = await setUp({ issuer: 'http://127.0.0.1:1' });
    expect(await codeOf(begun(away))).toBe('oidc_unavailable');
    const other = await setUp();
    provider.metadata = { issuer: 'https://elsewhere.example' };
    expect(await codeOf(begun(other))).toBe('oidc_unavailable');
    provider.metadata = { token_endpoint: 'http://192.0.2.7/token' };
    expect(await codeOf(begun(other))).toBe('oidc_unavailable');
    provider.metadata = {};
    const { request } = await begun(other);
    provider.answer = async () => ({ status: 500, body: {} });
    expect(await codeOf(other.login.finish(request, SENDER))).toBe('oidc_unavailable');
    expect((await other.kinds()).filter(({ type }) => type === 'system.login.refused')).toEqual([]);
  });

  it('that is slow is asked once, however many logins are begun meanwhile', async () => {
    const world = await setUp();
    await Promise.all(Array.from({ length: 5 }, () => begun(world)));
    expect(provider.descriptions).toBe(1);
  });

  it('is shown the client secret as it wishes, and no secret where there is none', async () => {
    const form = async (secret: string | undefined, methods: string[]) => {
      provider.metadata = { token_endpoint_auth_methods_supported: methods };
      await logIn(await setUp(secret === undefined ? {} : { secret }));
      const { form: sent, authorization } = provider.tokenRequests.at(-1)!;
      expect(sent.get('code_verifier')).toBe(VERIFIER);
      return [authorization, sent.get('client_id'), sent.get('client_secret')];
    };
    const basic = `Basic ${Buffer.from('drover:s%2Fe').toString('base64')}`;
    expect(await form('s/e', ['client_secret_basic'])).toEqual([basic, null, null]);
    expect(await form('s/e', ['client_secret_post'])).toEqual([undefined, 'drover', 's/e']);
    expect(await form(undefined, ['none'])).toEqual([undefined, 'drover', null]);
  });
});
