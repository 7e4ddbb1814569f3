import {
  deterministicId,
  deterministicUuid,
  errorMessage,
  isoTime,
  refusal,
  RefusedError,
  sha256Hex,
  type AccountId,
  type Clock,
  type Ids,
  type Log,
  type LoginRule,
  type OperatorId,
  type Random,
  type Timers,
  sleep,
} from '#kernel';
import { createHash } from 'node:crypto';
import type { CommandContext, Transactor } from '#processing';
import { accountDecider } from '../domain/account/account.js';
import { matchRule, operatorName } from '../domain/login/match.js';
import { operatorDecider, type OperatorEvent } from '../domain/operator/operator.js';
import type { FairTurns, Sender } from '../application/fair-turns.js';
import type { OperatorDirectory } from '../application/operator-directory.js';
import { mintOperatorToken } from '../tokens/operator-token.js';
import { ProviderBusyError, ProviderUnavailableError } from './http.js';
import { LoginRefusals } from './login-refusals.js';
import { DeviceLogin, type Polled } from './device-login.js';
import { pendingLogins, type PendingLogin } from './pending-login.js';
import type { Sealer } from './sealer.js';
import { OidcProvider, type OidcClient, type VerifiedClaims } from './provider.js';
import type { DeviceFinishRequest, DeviceStartRequest, FinishRequest, StartRequest } from './requests.js';

export interface OidcLoginParts {
  readonly client: OidcClient;
  readonly rules: readonly LoginRule[];
  readonly nameClaim: string;
  readonly sessionMs: number;
  readonly transactor: Transactor;
  readonly directory: Pick<OperatorDirectory, 'isNameTaken' | 'accountsWith'>;
  /** Asking the provider costs something, and anybody can make us ask. */
  readonly turns: FairTurns;
  readonly timers: Timers;
  /** Answers 'same' to whoever claims an id first. */
  readonly once: { claim(id: string, by: string): Promise<'same' | 'different'> };
  readonly sealKey: Uint8Array;
  readonly clock: Pick<Clock, 'wallMs' | 'monotonicMs'>;
  readonly random: Pick<Random, 'bytes'>;
  readonly ids: Ids;
  readonly log: Log;
}

export interface LoggedIn {
  readonly token: string;
  readonly expires_at: string;
  readonly operator: { readonly id: string; readonly name: string };
  readonly account: { readonly id: string; readonly name: string };
  readonly role: string;
  /** Sessions that ended because there were too many. */
  readonly ended_sessions: number;
}

type Outcome = { readonly kind: 'in'; readonly who: LoggedIn } | { readonly kind: 'out'; readonly error: RefusedError };

export const OIDC_LOGIN = Symbol('OidcLogin');

/** How long a login may take its time. */
const PENDING_MS = 600_000;
/** The answer to a login that failed at the provider comes so late: who tries codes is slowed, and nobody else. */
const FAILED_MS = 1_000;

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

/** The account that rules and tools call so. */
export const accountIdOf = (name: string): AccountId => deterministicId('account', name);

/** Who somebody is: who the provider says they are, whatever they are called there now. */
export const oidcOperatorId = (accountId: AccountId, issuer: string, subject: string): OperatorId =>
  deterministicId('operator', accountId, 'oidc', issuer, subject);

/** Logins of people by an OpenID Connect provider: authorization code with PKCE, with the platform as the client. */
export class OidcLogin {
  private readonly provider: OidcProvider;
  private readonly pending: Sealer<PendingLogin>;
  private readonly device: DeviceLogin<Outcome>;
  private readonly refusals: LoginRefusals;

  constructor(private readonly parts: OidcLoginParts) {
    this.provider = new OidcProvider(parts.client, parts.clock);
    this.pending = pendingLogins(parts.sealKey, parts.random);
    const letIn = (id: string, claims: () => Promise<VerifiedClaims>, sender: Sender) =>
      this.attempt(id, () => this.claim(id).then(claims), sender);
    this.device = new DeviceLogin({ ...parts, provider: this.provider, letIn });
    this.refusals = new LoginRefusals(parts);
  }

  /** Where the browser goes. Throws RefusedError. */
  async start({ redirect_uri, code_challenge }: StartRequest) {
    const { ids, random, clock } = this.parts;
    const [nonce, state] = [base64(random.bytes(24)), base64(random.bytes(24))];
    const until_ms = clock.wallMs() + PENDING_MS;
    const login = { id: ids.uuid(), nonce, state, redirect_uri, code_challenge, until_ms };
    const authorization_url = await this.provider.authorizationUrl(login).catch((error: unknown) => this.away(error));
    return {
      authorization_url,
      login: this.pending.seal(login),
      state,
      issuer: this.parts.client.issuer,
      expires_at: isoTime(until_ms),
    };
  }

  /**
   * A token for who came back from there. Throws RefusedError. What is no login that was begun here is refused at once, costs nothing and
   * is held against nobody; of the others each is tried once, and its refusal is an event.
   */
  async finish(request: FinishRequest, sender: Sender): Promise<LoggedIn> {
    const login = await this.opened(request, sender);
    const redeem = async () => {
      await this.claim(login.id);
      return this.provider.redeem(login, request.code, request.code_verifier, request.iss);
    };
    return this.ended(await this.parts.turns.run(sender, () => this.attempt(login.id, redeem, sender)));
  }

  /** For a machine without a browser: the code that somebody enters on another. Throws RefusedError. */
  startDevice(request: DeviceStartRequest, sender: Sender) {
    return this.device.start(request, sender).catch((error: unknown) => this.away(error));
  }

  /** Whether somebody has entered it. Throws RefusedError. */
  async finishDevice(request: DeviceFinishRequest, sender: Sender): Promise<Polled<LoggedIn>> {
    const polled = await this.device.finish(request, sender).catch((error: unknown) => this.away(error));
    return polled.status === 'pending' ? polled : { status: 'done', ...(await this.ended(polled)) };
  }

  private async ended(outcome: Outcome): Promise<LoggedIn> {
    if (outcome.kind === 'in') return outcome.who;
    await sleep(this.parts.timers, FAILED_MS);
    throw outcome.error;
  }

  private async attempt(id: string, redeem: () => Promise<VerifiedClaims>, { address }: Sender): Promise<Outcome> {
    const found: { subject: string | null; accountId: AccountId | undefined } = { subject: null, accountId: undefined };
    try {
      const claims = await redeem();
      found.subject = claims.sub;
      const rule = await this.ruleFor(claims);
      found.accountId = accountIdOf(rule.account);
      return { kind: 'in', who: await this.logIn(claims, rule, id, address) };
    } catch (error) {
      if (error instanceof ProviderUnavailableError) return this.away(error);
      if (!(error instanceof RefusedError)) throw error;
      await this.refusals.tell({ code: error.refusal.code, ...found, address, begun: true });
      return { kind: 'out', error };
    }
  }

  private async opened(request: FinishRequest, { address }: Sender): Promise<PendingLogin> {
    const login = this.pending.open(request.login);
    const wrong = wrongWith(login, request, this.parts.clock.wallMs());
    if (login !== undefined && wrong === undefined) return login;
    const error = wrong ?? refused(400, 'login_unknown', 'this login was not begun here', 'login');
    await this.refusals.tell({ code: error.refusal.code, subject: null, accountId: undefined, address, begun: false });
    throw error;
  }

  private async claim(id: string): Promise<void> {
    const { once, ids } = this.parts;
    if ((await once.claim(deterministicUuid('oidc-login', id), ids.uuid())) === 'same') return;
    throw refused(409, 'login_used', 'this login has been ended before', 'login');
  }

  private async ruleFor(claims: VerifiedClaims): Promise<LoginRule> {
    const rule = matchRule(this.parts.rules, claims);
    await this.endElsewhere(claims.sub, rule);
    if (rule === undefined) {
      const hint = 'an admin of the platform can add a rule to DROVER_OIDC_RULES';
      throw refused(
        403,
        'login_not_mapped',
        'the provider knows you, but no rule of this platform lets you in',
        undefined,
        hint,
      );
    }
    const account = await this.parts.transactor.read(accountIdOf(rule.account), accountDecider);
    if (account?.state.created === true) return rule;
    throw refused(
      403,
      'login_account_unknown',
      `the rule leads to the account ${rule.account}, which is not there`,
      undefined,
      'drover account create',
    );
  }

  /** Sessions in accounts that the rules do not lead to any more are over, also where no rule names the account any more. */
  private async endElsewhere(subject: string, rule: LoginRule | undefined): Promise<void> {
    const { transactor, client, clock, ids, rules, directory } = this.parts;
    const idIn = (accountId: AccountId) => oidcOperatorId(accountId, client.issuer, subject);
    // The rules' too: the directory may not have come so far.
    const others = new Set([...rules.map(({ account }) => accountIdOf(account)), ...directory.accountsWith(idIn)]);
    if (rule !== undefined) others.delete(accountIdOf(rule.account));
    for (const accountId of others) {
      const operatorId = idIn(accountId);
      const command = { type: 'end_logins', nowMs: clock.wallMs() } as const;
      const context = contextOf(operatorId, accountId, ids.uuid(), clock.wallMs());
      await transactor.transact(operatorId, operatorDecider, command, context);
    }
  }

  private async logIn(claims: VerifiedClaims, rule: LoginRule, id: string, address: string): Promise<LoggedIn> {
    const { client, transactor, clock, random, sessionMs } = this.parts;
    const [accountId, nowMs, role] = [accountIdOf(rule.account), clock.wallMs(), `role:${rule.role}`];
    const operatorId = oidcOperatorId(accountId, client.issuer, claims.sub);
    const minted = mintOperatorToken(operatorId, random);
    const expires_at = isoTime(nowMs + sessionMs);
    const token = {
      ...{ token_id: minted.tokenId, token_digest: minted.digest, permissions: [role], expires_at, label: 'login' },
      at: isoTime(nowMs),
    };
    const name = this.nameFor(claims, accountId, operatorId);
    const about = { operatorId, accountId, name, role: rule.role, issuer: client.issuer, address, token, nowMs };
    const context = contextOf(operatorId, accountId, deterministicUuid('oidc-login', id), nowMs);
    const done = await transactor.transact(operatorId, operatorDecider, { type: 'log_in', ...about }, context);
    if (done.kind === 'refused') throw new RefusedError(done.refusal);
    if (done.kind === 'nothing') throw new Error(`a login made no token: ${done.reason}`);
    const madeRoom = ({ type, data }: OperatorEvent) =>
      type === 'system.operator.token_revoked' && data.because === 'too_many_logins';
    return {
      token: minted.token,
      expires_at,
      operator: { id: operatorId, name: done.state.created!.name },
      account: { id: accountId, name: rule.account },
      role: rule.role,
      ended_sessions: done.events.filter(madeRoom).length,
    };
  }

  private nameFor(claims: VerifiedClaims, accountId: AccountId, operatorId: OperatorId): string {
    const name = operatorName(claims, this.parts.nameClaim);
    return this.parts.directory.isNameTaken(accountId, name) ? `${name}-${sha256Hex(operatorId).slice(0, 6)}` : name;
  }

  private away(error: unknown): never {
    if (!(error instanceof ProviderUnavailableError)) throw error;
    const { issuer } = this.parts.client;
    this.parts.log.warn({ issuer, error: errorMessage(error) }, 'the identity provider does not answer');
    const isBusy = error instanceof ProviderBusyError;
    const hint = isBusy
      ? 'nobody is refused: log in again in a minute'
      : 'try again in a moment; the platform’s log says what it answers';
    const does = isBusy ? 'takes no more calls for the moment (HTTP 429)' : 'does not answer';
    throw new RefusedError(refusal(503, 'oidc_unavailable', `the identity provider ${issuer} ${does}`, { hint }));
  }
}

/** Known without asking anybody. */
const wrongWith = (
  login: PendingLogin | undefined,
  { state, code_verifier }: FinishRequest,
  nowMs: number,
): RefusedError | undefined => {
  if (login === undefined) return undefined;
  if (nowMs >= login.until_ms) return refused(410, 'login_expired', 'this login took too long', 'login');
  if (login.state !== state) return refused(403, 'state_mismatch', 'the answer belongs to another login', 'state');
  const challenge = createHash('sha256').update(code_verifier).digest('base64url');
  if (challenge === login.code_challenge) return undefined;
  return refused(403, 'verifier_mismatch', 'this login was begun by another program', 'code_verifier');
};

const contextOf = (operatorId: OperatorId, accountId: AccountId, commandId: string, nowMs: number): CommandContext => ({
  ...{ commandId, correlationId: commandId, causationId: commandId, accountId, nowMs },
  actor: { kind: 'operator', id: operatorId },
});

const refused = (
  status: 400 | 403 | 409 | 410,
  code: string,
  message: string,
  field?: string,
  hint = 'begin again: drover login',
) => new RefusedError(refusal(status, code, message, { hint, ...(field === undefined ? {} : { field }) }));
