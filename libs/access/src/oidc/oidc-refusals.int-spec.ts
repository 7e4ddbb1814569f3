import { SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { makeKey, signed } from '../testing/scripted-provider.js';
import type { FinishRequest } from './requests.js';
import {
  ADDRESS,
  begun,
  codeOf,
  gives,
  logIn,
  provider,
  providerForEach,
  S,
  SENDER,
  setUp,
} from '../testing/oidc-world.js';

providerForEach();

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
    // Whoever asks too often is no intruder: nobody is told that their code was refused.
    for (const body of [{ error: 'slow_down' }, '<h1>Too many requests</h1>']) {
      const busy = await begun(world);
      provider.answer = async () => ({ status: 429, body });
      await expect(world.login.finish(busy.request, SENDER)).rejects.toMatchObject({
        refusal: { code: 'oidc_unavailable', status: 503, message: expect.stringContaining('HTTP 429') },
      });
    }
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
