import {
  accept,
  nothing,
  refusal,
  reject,
  type AccountId,
  type Decision,
  type OperatorId,
  type Refusal,
} from '#kernel';
import { OperatorCreated, OperatorLoggedIn, OperatorTokenRevoked } from '../events.js';
import { isLive, tokenCreated, type NewToken, type OperatorEvent, type OperatorState } from './operator-state.js';

export interface Login {
  readonly operatorId: OperatorId;
  readonly accountId: AccountId;
  /** Of an operator that is made; one that is there keeps its name. */
  readonly name: string;
  readonly role: string;
  readonly issuer: string;
  readonly address: string | null;
  readonly token: NewToken;
  readonly nowMs: number;
}

export type LoginCommand =
  | ({ readonly type: 'log_in' } & Login)
  /** Who may not log in any more is not in any more either. */
  | { readonly type: 'end_logins'; readonly nowMs: number };

/** Sessions of one operator at a time; the oldest gives way. */
export const MAX_LOGINS = 20;
/** Each adds to a stream that is read as a whole. Only who can log in as the operator can use them up. */
export const MAX_LOGINS_AN_HOUR = 60;

const HOUR_MS = 3_600_000;

type Because = 'too_many_logins' | 'role_changed' | 'no_rule';

const liveLogins = ({ tokens }: OperatorState, nowMs: number) =>
  tokens.filter((token) => token.login && isLive(token, nowMs));

const revokedOf = (operatorId: OperatorId, tokens: readonly { readonly tokenId: string }[], because: Because) =>
  tokens.map(({ tokenId }) => OperatorTokenRevoked({ operator_id: operatorId, token_id: tokenId, because }));

const refusedFor = ({ name, nowMs }: Login, state: OperatorState): Refusal | undefined => {
  if (state.disabled) {
    const hint = 'an admin of the account can enable the operator again: drover operator enable';
    return refusal(403, 'operator_disabled', `the operator ${state.created?.name ?? name} is disabled`, { hint });
  }
  if (state.logins.filter((ms) => ms > nowMs - HOUR_MS).length < MAX_LOGINS_AN_HOUR) return undefined;
  const hint = 'a program keeps its token, or has one issued: drover token issue';
  return refusal(429, 'too_many_logins', `${MAX_LOGINS_AN_HOUR} logins within an hour`, { hint });
};

/** Comes in, for the first time or again. Sessions with another role than today's end: what was taken away is gone at once. */
export const logIn = (login: Login, state: OperatorState): Decision<OperatorEvent> => {
  const { operatorId, accountId, name, token, issuer, role, address, nowMs } = login;
  if (state.tokens.some(({ tokenId }) => tokenId === token.token_id)) return nothing('already_logged_in');
  const refused = refusedFor(login, state);
  if (refused !== undefined) return reject(refused);
  const live = liveLogins(state, nowMs);
  const isSame = (permissions: readonly string[]) => JSON.stringify(permissions) === JSON.stringify(token.permissions);
  const kept = live.filter(({ permissions }) => isSame(permissions));
  const surplus = kept.slice(0, Math.max(0, kept.length + 1 - MAX_LOGINS));
  const others = live.filter(({ permissions }) => !isSame(permissions));
  return accept<OperatorEvent>(
    ...(state.created === undefined
      ? [OperatorCreated({ operator_id: operatorId, account_id: accountId, name })]
      : [...revokedOf(operatorId, others, 'role_changed'), ...revokedOf(operatorId, surplus, 'too_many_logins')]),
    tokenCreated(operatorId, { ...token, login: true }),
    OperatorLoggedIn({ operator_id: operatorId, token_id: token.token_id, method: 'oidc', issuer, role, address }),
  );
};

/** Where all sessions have ended, however they did, the last one says it, once: whoever follows hears that they are let in no more. */
export const endLogins = ({ nowMs }: { readonly nowMs: number }, state: OperatorState): Decision<OperatorEvent> => {
  const live = liveLogins(state, nowMs);
  const last = state.tokens.filter(({ login }) => login).slice(-1);
  const ended = live.length === 0 && !state.letInNoMore ? last : live;
  if (state.created === undefined || ended.length === 0) return nothing('no_logins');
  return accept<OperatorEvent>(...revokedOf(state.created.operatorId, ended, 'no_rule'));
};
