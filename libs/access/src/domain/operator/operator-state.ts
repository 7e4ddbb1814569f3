import type { AccountId, EventOf, OperatorId } from '#kernel';
import {
  OperatorCreated,
  OperatorDisabled,
  OperatorEnabled,
  OperatorLoggedIn,
  OperatorTokenCreated,
  OperatorTokenRevoked,
} from '../events.js';

/** All that an operator's stream may hold. */
export const operatorEvents = [
  OperatorCreated,
  OperatorTokenCreated,
  OperatorTokenRevoked,
  OperatorDisabled,
  OperatorEnabled,
  OperatorLoggedIn,
] as const;

export type OperatorEvent = EventOf<(typeof operatorEvents)[number]>;

export interface OperatorTokenState {
  readonly tokenId: string;
  /** Hex sha256. */
  readonly digest: string;
  readonly permissions: readonly string[];
  /** ISO 8601; null when it does not expire. */
  readonly expiresAt: string | null;
  readonly revoked: boolean;
  readonly guarded: boolean;
  readonly label: string;
  /** Made by a login, not issued. */
  readonly login: boolean;
}

export interface OperatorState {
  readonly created:
    { readonly operatorId: OperatorId; readonly accountId: AccountId; readonly name: string } | undefined;
  readonly tokens: readonly OperatorTokenState[];
  readonly disabled: boolean;
  /** Wall times of the logins of the last hour. */
  readonly logins: readonly number[];
  /** Said, since the newest login, that no rule lets them in. */
  readonly letInNoMore: boolean;
}

export interface NewToken {
  readonly token_id: string;
  readonly token_digest: string;
  readonly permissions: readonly string[];
  readonly expires_at: string | null;
  readonly guarded?: boolean;
  readonly label?: string;
  readonly login?: boolean;
  readonly at?: string;
}

export const tokenCreated = (operatorId: OperatorId, token: NewToken) =>
  OperatorTokenCreated({ operator_id: operatorId, ...token, permissions: [...token.permissions] });

/** Ended tokens that are remembered: who asked for something with one of them is told so. */
const ENDED_KEPT = 50;
/** As long as a call may wait for an approval. */
const ENDED_KEPT_MS = 7 * 86_400_000;

const HOUR_MS = 3_600_000;

export const isLive = ({ revoked, expiresAt }: OperatorTokenState, nowMs: number): boolean =>
  !revoked && (expiresAt === null || Date.parse(expiresAt) > nowMs);

/** What a new token adds. What ended long ago leaves the state, so that it does not grow with each login; the newest login never does. */
export const withToken = (state: OperatorState, token: OperatorTokenState, at: string | undefined): OperatorState => {
  const tokens = [...state.tokens, token];
  if (at === undefined) return { ...state, tokens };
  const nowMs = Date.parse(at);
  const newest = tokens.findLast(({ login }) => login);
  const isOld = ({ expiresAt }: OperatorTokenState) =>
    expiresAt !== null && Date.parse(expiresAt) + ENDED_KEPT_MS <= nowMs;
  let surplus = tokens.filter((one) => !isLive(one, nowMs)).length - ENDED_KEPT;
  const isKept = (one: OperatorTokenState) => isLive(one, nowMs) || one === newest || (surplus-- <= 0 && !isOld(one));
  const logins = token.login ? [...state.logins.filter((ms) => ms > nowMs - HOUR_MS), nowMs] : state.logins;
  return { ...state, tokens: tokens.filter(isKept), logins };
};
