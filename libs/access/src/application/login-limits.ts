import { refusal, sha256Hex, type Clock, type Refusal } from '#kernel';
import { parseOperatorToken } from '../tokens/operator-token.js';

const WINDOW_MS = 60_000;
/** Keys that are remembered; the one that was used longest ago is forgotten first. */
const MAX_KEYS = 20_000;
/** One address may stand for many callers (a proxy, a NAT), so it is given more. */
const PER_ADDRESS = 10;

interface Count {
  failed: number;
  readonly untilMs: number;
}

/** A /64 is one caller: who has it has all its addresses. */
const addressKey = (address: string): string => {
  const bare = address.replace(/^::ffff:(?=[\d.]+$)/i, '').replace(/%.*$/, '');
  if (!bare.includes(':')) return bare;
  const [head = '', tail = ''] = bare.split('::');
  const left = head.split(':').filter((part) => part !== '');
  const right = tail.split(':').filter((part) => part !== '');
  const zeros = bare.includes('::') ? Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0') : [];
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
};

/**
 * Slows down who guesses tokens, and nobody else. What failed too often is the pair of a token's id (its public half) and an
 * address: it is not even checked until its minute is over. A token that was good a moment ago passes all the same, and other
 * tokens from the same address are still judged; only wrong ones are told to wait.
 */
export class LoginLimits {
  private readonly counts = new Map<string, Count>();
  private readonly good = new Map<string, true>();

  constructor(
    private readonly clock: Pick<Clock, 'wallMs'>,
    /** Failures a minute of one token id from one address. */
    private readonly perToken: number,
  ) {}

  /** Before the token is looked at: undefined lets it through. */
  before(address: string, token: string): Refusal | undefined {
    if (this.good.has(sha256Hex(token))) return undefined;
    return this.over(this.pair(address, token), this.perToken);
  }

  /** A refusal when the answer should be to wait rather than that the token is wrong. */
  failed(address: string, token: string): Refusal | undefined {
    this.good.delete(sha256Hex(token));
    const [pair, place] = [this.pair(address, token), `a ${addressKey(address)}`];
    this.count(pair);
    this.count(place);
    return this.over(place, this.perToken * PER_ADDRESS);
  }

  succeeded(token: string): void {
    remember(this.good, sha256Hex(token), true);
  }

  /** Seconds until the earliest that it is worth trying again. */
  retryAfter(address: string, token: string): number {
    const ends = [this.pair(address, token), `a ${addressKey(address)}`].map(
      (key) => this.counts.get(key)?.untilMs ?? 0,
    );
    return Math.max(1, Math.ceil((Math.max(...ends) - this.clock.wallMs()) / 1_000));
  }

  private pair(address: string, token: string): string {
    return `t ${addressKey(address)} ${parseOperatorToken(token)?.tokenId ?? 'malformed'}`;
  }

  private over(key: string, limit: number): Refusal | undefined {
    const known = this.counts.get(key);
    if (known === undefined || known.untilMs <= this.clock.wallMs() || known.failed < limit) return undefined;
    return refusal(429, 'too_many_attempts', 'too many attempts with tokens that are wrong', {
      field: 'authorization',
      hint: 'wait for as long as Retry-After says; other tokens are not affected',
    });
  }

  private count(key: string): void {
    const now = this.clock.wallMs();
    const known = this.counts.get(key);
    const current = known === undefined || known.untilMs <= now ? { failed: 0, untilMs: now + WINDOW_MS } : known;
    current.failed++;
    remember(this.counts, key, current);
  }
}

export const LOGIN_LIMITS = Symbol('LoginLimits');

const remember = <V>(map: Map<string, V>, key: string, value: V): void => {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MAX_KEYS) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
};
