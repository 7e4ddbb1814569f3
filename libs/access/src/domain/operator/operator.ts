import {
  accept,
  assertNever,
  nothing,
  refusal,
  reject,
  type Decider,
  type Decision,
  type AccountId,
  type OperatorId,
} from '#kernel';
import { OperatorCreated, OperatorDisabled, OperatorEnabled, OperatorTokenRevoked } from '../events.js';
import { keptOperator } from './kept-operator.js';
import { endLogins, logIn, type LoginCommand } from './log-in.js';
import {
  isLive,
  tokenCreated,
  withToken,
  type NewToken,
  type OperatorEvent,
  type OperatorState,
  type OperatorTokenState,
} from './operator-state.js';

export * from './operator-state.js';

export type OperatorCommand =
  | LoginCommand
  /** Creates the operator with a first token; nothing when there is one. */
  | {
      readonly type: 'create_operator';
      readonly operatorId: OperatorId;
      readonly accountId: AccountId;
      readonly name: string;
      readonly token: NewToken;
    }
  | { readonly type: 'create_token'; readonly token: NewToken }
  | { readonly type: 'revoke_token'; readonly tokenId: string; readonly because?: 'logged_out' }
  /** The new token takes the place of the old one at one stroke. */
  | { readonly type: 'rotate_token'; readonly tokenId: string; readonly token: NewToken }
  | { readonly type: 'disable'; readonly reason: string }
  | { readonly type: 'enable' };

const unknownOperator = () =>
  reject(refusal(404, 'unknown_operator', 'there is no such operator', { field: 'operator_id' }));

const revoke = (tokenId: string, state: OperatorState, because?: 'logged_out'): Decision<OperatorEvent> => {
  if (state.created === undefined) return unknownOperator();
  const token = state.tokens.find((t) => t.tokenId === tokenId);
  if (token === undefined) {
    const candidates = state.tokens.filter((t) => !t.revoked).map((t) => ({ id: t.tokenId }));
    const message = `operator ${state.created.name} has no token ${tokenId}`;
    return reject(refusal(404, 'unknown_token', message, { field: 'token_id', candidates }));
  }
  if (token.revoked) return nothing('already_revoked');
  const why = because === undefined ? {} : { because };
  return accept(OperatorTokenRevoked({ operator_id: state.created.operatorId, token_id: token.tokenId, ...why }));
};

const revokedBefore = (tokenId: string) =>
  refusal(409, 'token_revoked', `the token ${tokenId} is revoked: it cannot be rotated`, {
    field: 'token_id',
    hint: 'issue a new one with system_issue_token',
  });

/** Issued tokens of one operator that open something at a time; sessions have a bound of their own. */
const MAX_ISSUED = 200;

const hasTooMany = ({ tokens }: OperatorState, at: string | undefined): boolean =>
  at !== undefined && tokens.filter((t) => !t.login && isLive(t, Date.parse(at))).length >= MAX_ISSUED;

const tooManyTokens = (state: OperatorState) =>
  refusal(409, 'too_many_tokens', `${state.created?.name} has ${MAX_ISSUED} tokens that open something`, {
    field: 'operator',
    hint: 'system_list_tokens shows them; revoke some first',
  });

const decide = (command: OperatorCommand, state: OperatorState): Decision<OperatorEvent> => {
  switch (command.type) {
    case 'create_operator': {
      if (state.created !== undefined) return nothing('already_created');
      const { operatorId, accountId, name } = command;
      return accept<OperatorEvent>(
        OperatorCreated({ operator_id: operatorId, account_id: accountId, name }),
        tokenCreated(operatorId, command.token),
      );
    }
    case 'create_token':
      if (state.created === undefined) return unknownOperator();
      if (state.tokens.some((t) => t.tokenId === command.token.token_id)) return nothing('already_created');
      if (hasTooMany(state, command.token.at)) return reject(tooManyTokens(state));
      return accept(tokenCreated(state.created.operatorId, command.token));
    case 'revoke_token':
      return revoke(command.tokenId, state, command.because);
    case 'rotate_token': {
      const revoked = revoke(command.tokenId, state);
      if (revoked.kind !== 'nothing' && revoked.kind !== 'accept') return revoked;
      if (revoked.kind === 'nothing') return reject(revokedBefore(command.tokenId));
      return accept<OperatorEvent>(tokenCreated(state.created!.operatorId, command.token), ...revoked.events);
    }
    case 'log_in':
      return logIn(command, state);
    case 'end_logins':
      return endLogins(command, state);
    case 'disable':
      if (state.created === undefined) return unknownOperator();
      if (state.disabled) return nothing('already_disabled');
      return accept(OperatorDisabled({ operator_id: state.created.operatorId, reason: command.reason }));
    case 'enable':
      if (state.created === undefined) return unknownOperator();
      return state.disabled ? accept(OperatorEnabled({ operator_id: state.created.operatorId })) : nothing('enabled');
    default:
      return assertNever(command);
  }
};

const evolve = (state: OperatorState, event: OperatorEvent): OperatorState => {
  switch (event.type) {
    case 'system.operator.created': {
      const { operator_id, account_id, name } = event.data;
      return { ...state, created: { operatorId: operator_id, accountId: account_id, name } };
    }
    case 'system.operator.token_created': {
      const {
        token_id,
        token_digest,
        permissions,
        expires_at,
        guarded = false,
        label = '',
        login = false,
      } = event.data;
      const token = {
        tokenId: token_id,
        digest: token_digest,
        permissions,
        expiresAt: expires_at,
        revoked: false,
        guarded,
        label,
        login,
      };
      return withToken(state, token, event.data.at);
    }
    case 'system.operator.token_revoked': {
      const revoke = (t: OperatorTokenState) => (t.tokenId === event.data.token_id ? { ...t, revoked: true } : t);
      const letInNoMore = state.letInNoMore || event.data.because === 'no_rule';
      return { ...state, tokens: state.tokens.map(revoke), letInNoMore };
    }
    case 'system.operator.disabled':
      return { ...state, disabled: true };
    case 'system.operator.enabled':
      return { ...state, disabled: false };
    case 'system.operator.logged_in':
      return { ...state, letInNoMore: false };
    default:
      return assertNever(event);
  }
};

export const operatorDecider: Decider<OperatorState, OperatorCommand, OperatorEvent> = {
  initial: { created: undefined, tokens: [], disabled: false, logins: [], letInNoMore: false },
  decide,
  evolve,
  kept: keptOperator,
};
