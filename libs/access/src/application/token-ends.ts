import type { Cancel, Clock, Timers } from '#kernel';
import type { Principal } from '../ports.js';

/** Who knows whether a token opens anything, without asking the store, and says when an operator's have changed. */
export interface KnowsTokens {
  opens(operatorId: string, tokenId: string): boolean;
  onChange(listener: (operatorId: string) => void): () => void;
}

export interface Watched {
  /** Aborted when the token has ended. */
  readonly signal: AbortSignal;
  readonly stop: Cancel;
}

interface One {
  readonly tokenId: string;
  readonly ended: AbortController;
}

/** Longer than any call may wait. */
const LONGEST_MS = 600_000;

/** Calls that wait for something, minutes perhaps, while the token that makes them is revoked, disabled or expires. */
export class TokenEnds {
  private readonly waiting = new Map<string, Set<One>>();

  constructor(
    private readonly tokens: KnowsTokens,
    private readonly clock: Pick<Clock, 'wallMs'>,
    private readonly timers: Pick<Timers, 'after'>,
  ) {
    tokens.onChange((operatorId) => {
      for (const { tokenId, ended } of this.waiting.get(operatorId) ?? [])
        if (!tokens.opens(operatorId, tokenId)) ended.abort();
    });
  }

  /** Undefined for who has no token: the platform itself. */
  watch({ operatorId, tokenId, expiresAtMs }: Principal): Watched | undefined {
    if (tokenId === undefined) return undefined;
    const one = { tokenId, ended: new AbortController() };
    const all = this.waiting.get(operatorId) ?? new Set();
    this.waiting.set(operatorId, all.add(one));
    // It may have ended since it was let in.
    if (!this.tokens.opens(operatorId, tokenId)) one.ended.abort();
    const leftMs = (expiresAtMs ?? Infinity) - this.clock.wallMs();
    const cancel = leftMs < LONGEST_MS ? this.timers.after(Math.max(1, leftMs), () => one.ended.abort()) : undefined;
    const stop = () => {
      cancel?.();
      all.delete(one);
      if (all.size === 0 && this.waiting.get(operatorId) === all) this.waiting.delete(operatorId);
    };
    return { signal: one.ended.signal, stop };
  }
}
