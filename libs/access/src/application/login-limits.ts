import { refusal, RefusedError, type Clock } from '#kernel';
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

/** What counts as one place. A /64 is one caller: who has it has all its addresses. */
export const placeOf = (address: string): string => {
  const bare = address.replace(/^::ffff:(?=[\d.]+$)/i, '').replace(/%.*$/, '');
  if (!bare.includes(':')) return bare;
  const [head = '', tail = ''] = bare.split('::');
  const left = head.split(':').filter((part) => part !== '');
  const right = tail.split(':').filter((part) => part !== '');
  const zeros = bare.includes('::') ? Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0') : [];
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
};

/**
 * Counts wrong tokens. It never keeps a right one out, whoever else guesses, from whatever address: a token has 256 bits that nobody
 * guesses, so what is limited is what guessing costs. Who is wrong too often is told to wait, and a place where many are wrong takes
 * turns (FairTurns) from then on.
 */
export class LoginLimits {
  private readonly counts = new Map<string, Count>();

  constructor(
    private readonly clock: Pick<Clock, 'wallMs'>,
    /** Failures a minute of one token id from one address. */
    private readonly perToken: number,
  ) {}

  /** Whether so many were wrong at this address that its callers are heard one after the other. */
  isNoisy(address: string): boolean {
    return this.over(`a ${placeOf(address)}`, this.perToken * PER_ADDRESS);
  }

  /** A refusal when the answer should be to wait rather than that the token is wrong. */
  failed(address: string, token: string): RefusedError | undefined {
    const keys = this.keys(address, token);
    keys.forEach((key) => this.count(key));
    if (!this.isNoisy(address) && !this.over(keys[0], this.perToken)) return undefined;
    const ends = keys.map((key) => this.counts.get(key)?.untilMs ?? 0);
    const refused = refusal(429, 'too_many_attempts', 'too many attempts with tokens that are wrong', {
      field: 'authorization',
      hint: 'wait for as long as Retry-After says; tokens that are right are not affected',
    });
    return new RefusedError(refused, Math.max(1, Math.ceil((Math.max(...ends) - this.clock.wallMs()) / 1_000)));
  }

  /** By the token's public half at this place, and by the place. */
  private keys(address: string, token: string): readonly [string, string] {
    const place = placeOf(address);
    return [`t ${place} ${parseOperatorToken(token)?.tokenId ?? 'malformed'}`, `a ${place}`];
  }

  private over(key: string, limit: number): boolean {
    const known = this.counts.get(key);
    return known !== undefined && known.untilMs > this.clock.wallMs() && known.failed > limit;
  }

  private count(key: string): void {
    const now = this.clock.wallMs();
    const known = this.counts.get(key);
    const current = known === undefined || known.untilMs <= now ? { failed: 0, untilMs: now + WINDOW_MS } : known;
    current.failed++;
    this.counts.delete(key);
    this.counts.set(key, current);
    const oldest = this.counts.keys().next();
    if (this.counts.size > MAX_KEYS && oldest.done !== true) this.counts.delete(oldest.value);
  }
}

export const LOGIN_LIMITS = Symbol('LoginLimits');
