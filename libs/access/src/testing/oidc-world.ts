import { createHash } from 'node:crypto';
import { type JWTPayload } from 'jose';
import { EventCatalogue, ManualClock, seededRandom, silentLog, systemIds, systemTimers, type LoginRule } from '#kernel';
import { MemoryEventStore } from '#event-store';
import { Transactor } from '#processing';
import { DEFAULT_ACCOUNT_ID } from '../application/bootstrap.js';
import { FairTurns } from '../application/fair-turns.js';
import { OperatorDirectory } from '../application/operator-directory.js';
import { accountDecider } from '../domain/account/account.js';
import { accessEvents } from '../domain/events.js';
import { ScriptedProvider, signed } from './scripted-provider.js';
import { OidcLogin, type OidcLoginParts } from '../oidc/oidc-login.js';
import type { FinishRequest } from '../oidc/requests.js';

export const NOW = Date.parse('2026-11-21T12:00:00Z');
export const S = Math.floor(NOW / 1_000);
export const ADDRESS = '192.0.2.1';
export const SENDER = { address: ADDRESS, connection: '1' };
export const VERIFIER = 'v'.repeat(43);
export const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');
export const RULES: LoginRule[] = [
  { claim: 'groups', is: 'chiefs', role: 'admin', account: 'default' },
  { claim: 'realm.roles', is: 'ops', role: 'operator', account: 'default' },
  { claim: 'email', is: '*@example.com', role: 'viewer', account: 'default' },
  { claim: 'groups', is: 'lost', role: 'viewer', account: 'nowhere' },
];

/** Of the test that runs. */
export let provider: ScriptedProvider;
export const providerForEach = (): void => {
  beforeEach(async () => {
    provider = new ScriptedProvider();
    await provider.start();
  });
  afterEach(() => provider.stop());
};

export const setUp = async (over: { rules?: LoginRule[]; secret?: string; issuer?: string; atOnce?: number } = {}) => {
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
export type World = Awaited<ReturnType<typeof setUp>>;

/** A login up to where the browser comes back, and the claims that a good provider would put into the ID token. */
export const begun = async ({ login }: World) => {
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
export const gives = (id_token: string | Promise<string>) => {
  provider.answer = async () => ({ body: { id_token: await id_token, access_token: 'access', token_type: 'Bearer' } });
};
/** One login with these claims changed. */
export const logIn = async (world: World, over: JWTPayload = {}, change: Partial<FinishRequest> = {}) => {
  const { claims, request } = await begun(world);
  gives(signed({ ...claims, ...over }, provider.keys[0]!));
  return world.login.finish({ ...request, ...change }, SENDER);
};
export const codeOf = (login: Promise<unknown>): Promise<string> =>
  login.then(
    () => 'let in',
    (error: { refusal?: { code: string } }) => error.refusal?.code ?? String(error),
  );
