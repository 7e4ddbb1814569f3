import { refusal, type Refusal } from '#kernel';
import { expandScopes, PERMISSIONS, permits } from '../permissions.js';
import { isLive, type OperatorState } from './operator-state.js';

/** Who asked for something that happens later. */
export interface Asker {
  /** The token that asked; undefined where an earlier build did not write it down. */
  readonly tokenId: string | undefined;
  /** What it could do then. */
  readonly permissions: ReadonlySet<string>;
}

export type Authority =
  | { readonly kind: 'some'; readonly permissions: ReadonlySet<string> }
  | { readonly kind: 'none'; readonly refusal: Refusal };

const none = (code: string, message: string): Authority => ({
  kind: 'none',
  refusal: refusal(403, code, message, { hint: 'nothing was done; the call has to be made again by who may make it' }),
});

/** Whether an operator may do something by any of their tokens. */
export const mayNow = ({ disabled, tokens }: OperatorState, permission: string, nowMs: number): boolean =>
  !disabled && tokens.some((token) => isLive(token, nowMs) && permits(expandScopes(token.permissions), permission));

/**
 * Whether an operator is somebody who may do something: by any of their tokens, or by the newest login, though it has ended. People who log
 * in anew every day are the same at night.
 */
export const standsFor = (state: OperatorState, permission: string, nowMs: number): boolean => {
  if (mayNow(state, permission, nowMs)) return true;
  const login = state.disabled || state.letInNoMore ? undefined : state.tokens.findLast((token) => token.login);
  return login !== undefined && permits(expandScopes(login.permissions), permission);
};

const inBoth = (before: ReadonlySet<string>, now: ReadonlySet<string>): ReadonlySet<string> =>
  new Set(Object.keys(PERMISSIONS).filter((name) => permits(before, name) && permits(now, name)));

/**
 * What an operator who asked for something earlier may do now. A token that was revoked takes what it asked for with it, as does
 * an operator who is disabled. One that has merely expired (people log in anew every day) counts for what its owner's other
 * tokens of today still allow of it.
 */
export const presentAuthority = (state: OperatorState | undefined, asker: Asker, nowMs: number): Authority => {
  if (state?.created === undefined) return none('requester_gone', 'who asked for this call is no operator any more');
  const { name } = state.created;
  if (state.disabled) return none('requester_disabled', `${name}, who asked for this call, is disabled`);
  const own = state.tokens.find(({ tokenId }) => tokenId === asker.tokenId);
  if (own?.revoked === true)
    return none('requester_revoked', `the token of ${name} that asked for this call is revoked`);
  // It ended so long ago that nobody knows how.
  if (own === undefined && asker.tokenId !== undefined)
    return none('requester_expired', `the token of ${name} that asked for this call ended long ago`);
  if (own !== undefined && isLive(own, nowMs)) return { kind: 'some', permissions: expandScopes(own.permissions) };
  const others = state.tokens.filter((token) => isLive(token, nowMs)).flatMap(({ permissions }) => permissions);
  if (others.length === 0)
    return none('requester_expired', `no token of ${name}, who asked for this call, is valid now`);
  return { kind: 'some', permissions: inBoth(asker.permissions, expandScopes(others)) };
};
