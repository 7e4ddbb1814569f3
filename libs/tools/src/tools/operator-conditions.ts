import type { OperatorDoc, TokenDoc } from '#access';
import { statusOfState } from '../conditions.js';

export type TokenStatus = 'active' | 'expired' | 'revoked' | 'disabled';

const WEEK_MS = 7 * 86_400_000;
/** A session of hours is not called ending from its first minute on. */
const LAST_PART = 0.2;

/** It still opens something, and whoever uses it has to see to another. */
export const isEnding = ({ created_at, expires_at }: TokenDoc, nowMs: number): boolean => {
  if (expires_at === null) return false;
  const endMs = Date.parse(expires_at);
  return endMs - nowMs <= Math.min(WEEK_MS, LAST_PART * (endMs - Date.parse(created_at)));
};

/** No generations: what a token may do is the case with the event that says so. */
export const tokenConditions = (token: TokenDoc, status: TokenStatus, nowMs: number) => {
  const { created_at, expires_at, revoked_at } = token;
  const ending = status === 'active' && isEnding(token, nowMs);
  const until = expires_at === null ? 'it does not expire' : `it ends at ${expires_at}`;
  const since = { active: created_at, expired: expires_at, revoked: revoked_at, disabled: null }[status];
  return statusOfState({
    state: status,
    ready: ['active'],
    progressing: [],
    resting: ['expired', 'revoked', 'disabled'],
    since,
    also: [
      {
        type: 'Expiring',
        holds: ending,
        reason: ending ? 'EndsSoon' : expires_at === null ? 'NoEnd' : 'NotSoon',
        message: until,
      },
      { type: 'Revoked', holds: revoked_at !== null, reason: revoked_at === null ? 'InForce' : 'Revoked' },
    ],
  });
};

const openNow = (tokens: number): string => {
  if (tokens === 0) return 'no token opens anything now';
  return tokens === 1 ? '1 token opens something now' : `${tokens} tokens open something now`;
};

export const operatorConditions = (doc: OperatorDoc, activeTokens: number) =>
  statusOfState({
    state: doc.disabled ? 'disabled' : 'active',
    ready: ['active'],
    progressing: [],
    resting: ['disabled'],
    since: doc.disabled ? null : doc.created_at,
    also: [
      {
        type: 'HasToken',
        holds: activeTokens > 0,
        reason: activeTokens > 0 ? 'TokensInForce' : doc.disabled ? 'Disabled' : 'NoToken',
        message: openNow(activeTokens),
      },
    ],
  });
