import { signed } from '../testing/scripted-provider.js';
import {
  begun,
  CHALLENGE,
  codeOf,
  gives,
  provider,
  providerForEach,
  S,
  SENDER,
  setUp,
  VERIFIER,
  type World,
} from '../testing/oidc-world.js';

providerForEach();

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
