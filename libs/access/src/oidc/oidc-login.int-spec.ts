import { createHash } from 'node:crypto';
import { SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { EventCatalogue, ManualClock, seededRandom, silentLog, systemIds, systemTimers, type LoginRule } from '#kernel';
import { MemoryEventStore } from '#event-store';
import { Transactor } from '#processing';
import { DEFAULT_ACCOUNT_ID } from '../application/bootstrap.js';
import { FairTurns } from '../application/fair-turns.js';
import { OperatorDirectory } from '../application/operator-directory.js';
import { accountDecider } from '../domain/account/account.js';
import { accessEvents } from '../domain/events.js';
import { operatorDecider } from '../domain/operator/operator.js';
import { makeKey, ScriptedProvider, signed } from '../testing/scripted-provider.js';
import { OidcLogin, type OidcLoginParts } from './oidc-login.js';
import type { FinishRequest } from './requests.js';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const S = Math.floor(NOW / 1_000);
const ADDRESS = '192.0.2.1';
const SENDER = { address: ADDRESS, connection: '1' };
const VERIFIER = 'v'.repeat(43);
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');
const RULES: LoginRule[] = [
  { claim: 'groups', is: 'chiefs', role: 'admin', account: 'default' },
  { claim: 'realm.roles', is: 'ops', role: 'operator', account: 'default' },
  { claim: 'email', is: '*@example.com', role: 'viewer', account: 'default' },
  { claim: 'groups', is: 'lost', role: 'viewer', account: 'nowhere' },
];

let provider: ScriptedProvider;
beforeEach(async () => {
  provider = new ScriptedProvider();
  await provider.start();
});
afterEach(() => provider.stop());

const setUp = async (over: { rules?: LoginRule[]; secret?: string; issuer?: string; atOnce?: number } = {}) => {
  const clock = new ManualClock(NOW);
  const events = new MemoryEventStore(clock);
  const transactor = new Transactor(events, new EventCatalogue(accessEvents));
  const directory = new OperatorDirectory(events, clock, silentLog);
  const claimed = new Map<string, string>();
  const context = { correlationId: 'c', causationId: 'c', accountId: DEFAULT_ACCOUNT_ID, nowMs: NOW };
  const actor = { kind: 'system', id: 'test' } as const;
  const create = { type: 'create_account', accountId: DEFAULT_ACCOUNT_ID, name: 'default' } as const;
  await transactor.transact(DEFAULT_ACCOUNT_ID, accountDecider, create, { ...context, actor, commandId: 'account' });
  const parts: OidcLoginParts = {
    client: {
      ...{ issuer: over.issuer ?? provider.issuer, clientId: 'drover', scopes: 'openid groups' },
      clientSecret: over.secret,
    },
    rules: over.rules ?? RULES,
    ...{ nameClaim: 'preferred_username', sessionMs: 3_600_000, transactor, directory, clock },
    turns: new FairTurns(over.atOnce ?? 16, 1_000),
    timers: { ...systemTimers, after: (_, run) => systemTimers.after(0, run) },
    once: {
      claim: async (id, by) => {
        const first = claimed.get(id) ?? by;
        claimed.set(id, first);
        return first === by ? 'same' : 'different';
      },
    },
    ...{ sealKey: Buffer.alloc(32, 7), random: seededRandom(1), ids: systemIds, log: silentLog },
  };
  const login = new OidcLogin(parts);
  const opens = async (token: string) => (await directory.authenticate(token)) !== undefined;
  const kinds = async () => (await events.readAll(0n as never, { limit: 999 })).events;
  return { clock, parts, login, directory, transactor, kinds, opens };
};
type World = Awaited<ReturnType<typeof setUp>>;

/** A login up to where the browser comes back, and the claims that a good provider would put into the ID token. */
const begun = async ({ login }: World) => {
  const redirect_uri = 'http://127.0.0.1:5000/callback';
  const started = await login.start({ redirect_uri, code_challenge: CHALLENGE });
  const asked = Object.fromEntries(new URL(started.authorization_url).searchParams);
  const claims = {
    ...{ iss: provider.issuer, aud: 'drover', sub: 'sub-1', nonce: asked['nonce']!, iat: S, exp: S + 300 },
    ...{ groups: ['chiefs'], preferred_username: 'Maria@Example.com' },
  };
  const request: FinishRequest = {
    ...{ login: started.login, state: started.state, code: 'code-1', code_verifier: VERIFIER },
  };
  return { asked, claims: claims as JWTPayload, request };
};
const gives = (id_token: string | Promise<string>) => {
  provider.answer = async () => ({ body: { id_token: await id_token, access_token: 'access', token_type: 'Bearer' } });
};
/** One login with these claims changed. */
const logIn = async (world: World, over: JWTPayload = {}, change: Partial<FinishRequest> = {}) => {
  const { claims, request } = await begun(world);
  gives(signed({ ...claims, ...over }, provider.keys[0]!));
  return world.login.finish({ ...request, ...change }, SENDER);
};
const codeOf = (login: Promise<unknown>): Promise<string> =>
  login.then(
    () => 'let in',
    (error: { refusal?: { code: string } }) => error.refusal?.code ?? String(error),
  );

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

describe('an ID token is refused', () => {
  it.each<[string, JWTPayload]>([
    ['id_token_issuer', { iss: 'https://elsewhere.example' }],
    ['id_token_audience', { aud: 'another' }],
    ['id_token_audience', { aud: ['drover', 'another'] }],
    ['id_token_audience', { aud: ['drover', 'another'], azp: 'another' }],
    ['id_token_audience', { azp: 'another' }],
    ['id_token_expired', { exp: S - 61 }],
    ['id_token_not_yet_valid', { iat: S + 61, exp: S + 300 }],
    ['id_token_not_yet_valid', { nbf: S + 61 }],
    ['id_token_nonce', { nonce: 'of-another-login' }],
    ['id_token_nonce', { nonce: undefined }],
    ['id_token_claims', { exp: undefined }],
    ['id_token_claims', { iat: undefined }],
    ['id_token_claims', { sub: undefined }],
    ['id_token_claims', { sub: '' }],
    ['id_token_claims', { sub: 'x'.repeat(256) }],
  ])('%s: %j', async (code, claims) => {
    const world = await setUp();
    expect(await codeOf(logIn(world, claims))).toBe(code);
    const [refused] = (await world.kinds()).filter(({ type }) => type === 'system.login.refused');
    expect(refused?.data).toMatchObject({
      code,
      subject: null,
      address: ADDRESS,
      issuer: provider.issuer,
      not_told: 0,
    });
  });

  it.each<[JWTPayload]>([
    [{ exp: S - 59 }],
    [{ iat: S + 59 }],
    [{ nbf: S + 59 }],
    [{ aud: ['drover'] }],
    [{ azp: 'drover' }],
  ])('but not for clocks that are a minute apart, nor for what is said twice: %j', async (claims) => {
    expect((await logIn(await setUp(), claims)).role).toBe('admin');
  });

  it('when no published key has signed it', async () => {
    const world = await setUp();
    const { claims, request } = await begun(world);
    const [mine, alike] = [provider.keys[0]!, await makeKey('first')];
    const cases: [string, string][] = [
      ['id_token_key_unknown', await signed(claims, await makeKey('other'))],
      ['id_token_signature', await signed(claims, alike)],
      ['id_token_algorithm', new UnsecuredJWT(claims).encode()],
      [
        'id_token_algorithm',
        await new SignJWT(claims)
          .setProtectedHeader({ alg: 'HS256', kid: 'first' })
          .sign(Buffer.from(JSON.stringify(mine.jwk))),
      ],
      ['id_token_malformed', 'a.b.c'],
      ['id_token_malformed', 'nothing'],
    ];
    for (const [code, token] of cases) {
      gives(token);
      const fresh = await begun(world);
      expect([token.slice(0, 20), await codeOf(world.login.finish(fresh.request, SENDER))]).toEqual([
        token.slice(0, 20),
        code,
      ]);
    }
    provider.answer = async () => ({ body: { access_token: 'only' } });
    expect(await codeOf(world.login.finish(request, SENDER))).toBe('id_token_missing');
  });

  it('but a published RSA key is as good as any', async () => {
    provider.keys = [await makeKey('second', 'RS256')];
    expect((await logIn(await setUp())).role).toBe('admin');
  });
});

describe('a login is refused', () => {
  it('when it is ended twice, by another program, too late, or was begun elsewhere', async () => {
    const world = await setUp();
    const { claims, request } = await begun(world);
    gives(signed(claims, provider.keys[0]!));
    expect(await codeOf(world.login.finish({ ...request, state: 'other' }, SENDER))).toBe('state_mismatch');
    expect(await codeOf(world.login.finish({ ...request, code_verifier: 'w'.repeat(43) }, SENDER))).toBe(
      'verifier_mismatch',
    );
    expect(await codeOf(world.login.finish({ ...request, login: `${request.login.slice(0, -4)}AAAA` }, SENDER))).toBe(
      'login_unknown',
    );
    expect(await codeOf(world.login.finish({ ...request, login: 'x' }, SENDER))).toBe('login_unknown');
    expect(provider.tokenRequests).toHaveLength(0);
    expect(await codeOf(world.login.finish(request, SENDER))).toBe('let in');
    expect(await codeOf(world.login.finish(request, SENDER))).toBe('login_used');
    expect(provider.tokenRequests).toHaveLength(1);
    const late = await begun(world);
    world.clock.advance(600_000);
    expect(await codeOf(world.login.finish(late.request, SENDER))).toBe('login_expired');
  });

  it('when the provider takes no such code, or the answer is of another provider', async () => {
    const world = await setUp();
    const { request } = await begun(world);
    provider.answer = async () => ({ status: 400, body: { error: 'invalid_grant', error_description: '<b>no</b>' } });
    await expect(world.login.finish(request, SENDER)).rejects.toMatchObject({
      refusal: { code: 'code_refused', status: 401, message: expect.stringContaining('(invalid_grant)') },
    });
    expect(await codeOf(logIn(world, {}, { iss: 'https://evil.example' }))).toBe('issuer_mismatch');
    expect(await codeOf(logIn(world, {}, { iss: provider.issuer }))).toBe('let in');
  });

  it('by name when the answer has no issuer though the provider always tells it', async () => {
    provider.metadata = { authorization_response_iss_parameter_supported: true };
    expect(await codeOf(logIn(await setUp()))).toBe('issuer_mismatch');
  });

  it('at once and held against nobody where it is no login that was begun here, with hardly an event', async () => {
    const world = await setUp({ atOnce: 1 });
    const { claims, request } = await begun(world);
    const attempt = (over: Partial<FinishRequest>) => codeOf(world.login.finish({ ...request, ...over }, SENDER));
    for (let i = 0; i < 100; i++) {
      expect(await attempt({ login: `x${i}` })).toBe('login_unknown');
      expect(await attempt({ state: 'guess' })).toBe('state_mismatch');
    }
    expect(provider.tokenRequests).toHaveLength(0);
    const told = async () => (await world.kinds()).filter(({ type }) => type === 'system.login.refused');
    expect(await told()).toHaveLength(1);
    // Whoever sits behind the same address, and even the very login that somebody guessed at.
    gives(signed(claims, provider.keys[0]!));
    expect(await attempt({})).toBe('let in');
    world.clock.advance(60_000);
    expect(await attempt({ state: 'guess' })).toBe('state_mismatch');
    expect((await told()).at(-1)?.data).toMatchObject({ code: 'state_mismatch', not_told: 199 });
    // A stream is read as a whole: one that anybody can make longer must not grow for ever.
    world.clock.advance(3_600_000);
    expect(await attempt({})).toBe('login_expired');
    const streams = (await told()).map(({ stream, version }) => [stream, version]);
    expect(streams.at(-1)).toEqual([expect.not.stringMatching(String(streams[0]![0])), 1]);
  });

  it('though the provider knows no such code: a flood of those makes no other login fail, and not all of them are events', async () => {
    const world = await setUp({ atOnce: 2 });
    const flood = await Promise.all(Array.from({ length: 30 }, () => begun(world)));
    const mine = await begun(world);
    const good = await signed(mine.claims, provider.keys[0]!);
    provider.answer = async () =>
      provider.tokenRequests.at(-1)?.form.get('code') === 'mine'
        ? { body: { id_token: good, access_token: 'access', token_type: 'Bearer' } }
        : { status: 400, body: { error: 'invalid_grant' } };
    const tried = flood.map(({ request }) => codeOf(world.login.finish(request, SENDER)));
    const neighbour = { address: ADDRESS, connection: '2' };
    const login = world.login.finish({ ...mine.request, code: 'mine' }, neighbour);
    expect(await codeOf(login)).toBe('let in');
    // It took its turn before most of those that were there first.
    const order = provider.tokenRequests.map(({ form }) => form.get('code'));
    expect(order.indexOf('mine')).toBeLessThan(10);
    expect(new Set(await Promise.all(tried))).toEqual(new Set(['code_refused']));
    expect((await world.kinds()).filter(({ type }) => type === 'system.login.refused')).toHaveLength(20);
  });
});

describe('a login with a code that is entered elsewhere', () => {
  const CODES = {
    device_code: 'dc',
    user_code: 'ABCD-EFGH',
    verification_uri: 'https://id.test/device',
    expires_in: 600,
  };
  const beginDevice = async (world: World) => {
    provider.metadata = { device_authorization_endpoint: `${provider.issuer}/token` };
    provider.answer = async () => ({ body: CODES });
    const started = await world.login.startDevice({ code_challenge: CHALLENGE }, SENDER);
    const nonce = provider.tokenRequests.at(-1)?.form.get('nonce') ?? '';
    const claims = { iss: provider.issuer, aud: 'drover', sub: 'sub-1', groups: ['chiefs'], iat: S, exp: S + 300 };
    const poll = () => world.login.finishDevice({ login: started.login, code_verifier: VERIFIER }, SENDER);
    return { started, nonce, claims, poll };
  };
  const says = (error: string) => {
    provider.answer = async () => ({ status: 400, body: { error } });
  };

  it('is pending until somebody enters it, and lets them in once', async () => {
    const world = await setUp();
    const { started, claims, nonce, poll } = await beginDevice(world);
    expect(started).toMatchObject({ user_code: 'ABCD-EFGH', interval: 5, verification_uri: 'https://id.test/device' });
    expect(JSON.stringify(started)).not.toContain('"dc"');
    says('authorization_pending');
    expect(await poll()).toEqual({ status: 'pending', interval: 5 });
    says('slow_down');
    expect(await poll()).toEqual({ status: 'pending', interval: 10, slow_down: true });
    expect((await world.kinds()).filter(({ type }) => type === 'system.login.refused')).toEqual([]);
    gives(signed({ ...claims, nonce }, provider.keys[0]!));
    expect(await poll()).toMatchObject({ status: 'done', role: 'admin', account: { name: 'default' } });
    expect(provider.tokenRequests.at(-1)?.form.get('device_code')).toBe('dc');
    expect(await codeOf(poll())).toBe('login_used');
  });

  it('waits for its turn to begin, and is to come again when the provider is asked too often', async () => {
    const world = await setUp({ atOnce: 2 });
    const { poll } = await beginDevice(world);
    let [asked, most] = [0, 0];
    provider.answer = async () => {
      most = Math.max(most, ++asked);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return { body: { ...CODES, left: --asked } };
    };
    const start = () => world.login.startDevice({ code_challenge: CHALLENGE }, SENDER);
    await Promise.all(Array.from({ length: 10 }, start));
    expect(most).toBe(2);
    provider.answer = async () => ({ status: 429, body: { error: 'too_many_requests' } });
    for (const asks of [start, poll])
      await expect(asks()).rejects.toMatchObject({ refusal: { code: 'oidc_unavailable', status: 503 } });
    provider.answer = async () => ({ status: 429, body: { error: 'slow_down' } });
    expect(await poll()).toMatchObject({ status: 'pending', slow_down: true });
  });

  it('takes an ID token without the nonce, for not every provider knows one here, but none with another', async () => {
    const world = await setUp();
    const first = await beginDevice(world);
    gives(signed({ ...first.claims, nonce: 'of-another' }, provider.keys[0]!));
    expect(await codeOf(first.poll())).toBe('id_token_nonce');
    const second = await beginDevice(world);
    gives(signed(second.claims, provider.keys[0]!));
    expect(await second.poll()).toMatchObject({ status: 'done' });
  });

  it('is refused when somebody refused it, too late, by another program, and where the provider has no such thing', async () => {
    const world = await setUp();
    const { poll, started } = await beginDevice(world);
    says('access_denied');
    expect(await codeOf(poll())).toBe('login_denied');
    const other = { login: started.login, code_verifier: 'w'.repeat(43) };
    expect(await codeOf(world.login.finishDevice(other, SENDER))).toBe('verifier_mismatch');
    // What was sealed for the other kind of login is none of this one.
    const { request } = await begun(world);
    const mixed = { login: request.login, code_verifier: VERIFIER };
    expect(await codeOf(world.login.finishDevice(mixed, SENDER))).toBe('login_unknown');
    world.clock.advance(600_000);
    expect(await codeOf(poll())).toBe('login_expired');
    says('unauthorized_client');
    expect(await codeOf(world.login.startDevice({ code_challenge: CHALLENGE }, SENDER))).toBe(
      'device_login_unsupported',
    );
    provider.metadata = {};
    const none = (await setUp()).login.startDevice({ code_challenge: CHALLENGE }, SENDER);
    await expect(none).rejects.toMatchObject({
      refusal: { code: 'device_login_unsupported', hint: expect.stringContaining('drover login --no-browser') },
    });
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
