const DAY_MS = 86_400_000;

/** K3s certificates live a year. At this age a rollout has weeks for itself, and for an operator should it stop. */
export const RENEW_BEFORE_MS = 45 * DAY_MS;

/** Between two tries of one cluster: a rollout may be under way, or a server away. */
export const RENEWAL_RETRY_MS = 10 * 60_000;

export const dueForRenewal = (endMs: number, nowMs: number): boolean => endMs - nowMs < RENEW_BEFORE_MS;

/** Renewed not long ago: while others of its cluster are due, there is no need to restart it with them. */
export const isFresh = (endMs: number | undefined, nowMs: number): boolean =>
  endMs !== undefined && endMs - nowMs > 4 * RENEW_BEFORE_MS;

/** A server that was left out makes its certificates anew by itself when it is back: for so long it is let do that. */
export const OWED_BOUND_MS = 10 * 60_000;
