import { accept, nothing, refusal, reject, type AccountId, type Decision, type OperatorId } from '#kernel';
import { OperatorCreated, OperatorLoggedIn, OperatorTokenRevoked } from '../events.js';
import { tokenCreated, type NewToken, type OperatorEvent, type OperatorState } from './operator-state.js';

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

const liveLogins = ({ tokens }: OperatorState, nowMs: number) =>
  tokens.filter(
    ({ login, revoked, expiresAt }) => login && !revoked && (expiresAt === null || Date.parse(expiresAt) > nowMs),
  );

const revokedOf = (operatorId: OperatorId, tokens: readonly { readonly tokenId: string }[]) =>
  tokens.map(({ tokenId }) => OperatorTokenRevoked({ operator_id: operatorId, token_id: tokenId }));

/** Comes in, for the first time or again. Sessions with another role than today's end: what was taken away is gone at once. */
export const logIn = (login: Login, state: OperatorState): Decision<OperatorEvent> => {
  const { operatorId, accountId, name, token, issuer, role, address, nowMs } = login;
  if (state.disabled) {
    const hint = 'an admin of the account can enable the operator again: drover operator enable';
    return reject(
      refusal(403, 'operator_disabled', `the operator ${state.created?.name ?? name} is disabled`, { hint }),
    );
  }
  if (state.tokens.some(({ tokenId }) => tokenId === token.token_id)) return nothing('already_logged_in');
  const live = liveLogins(state, nowMs);
  const isSame = (permissions: readonly string[]) => JSON.stringify(permissions) === JSON.stringify(token.permissions);
  const kept = live.filter(({ permissions }) => isSame(permissions));
  const surplus = kept.slice(0, Math.max(0, kept.length + 1 - MAX_LOGINS));
  const ended = [...live.filter(({ permissions }) => !isSame(permissions)), ...surplus];
  return accept<OperatorEvent>(
    ...(state.created === undefined
      ? [OperatorCreated({ operator_id: operatorId, account_id: accountId, name })]
      : revokedOf(operatorId, ended)),
    tokenCreated(operatorId, { ...token, login: true }),
    OperatorLoggedIn({ operator_id: operatorId, token_id: token.token_id, method: 'oidc', issuer, role, address }),
  );
};

export const endLogins = ({ nowMs }: { readonly nowMs: number }, state: OperatorState): Decision<OperatorEvent> => {
  const live = liveLogins(state, nowMs);
  if (state.created === undefined || live.length === 0) return nothing('no_logins');
  return accept<OperatorEvent>(...revokedOf(state.created.operatorId, live));
};
