import type { Clock } from '#kernel';

/**
 * Remembers which arguments came under an idempotency key, so that the same key with other arguments is noticed. That the
 * same call gives the same events needs no memory: command ids derive from the key.
 */
export interface IdempotencyLedger {
  /** Claims the key for these arguments; 'different' when it was claimed for others before. Safe under races. */
  claim(callId: string, argumentsDigest: string): Promise<'same' | 'different'>;
  /**
   * Forgets keys that were first used longer ago than this, and answers how many. Nothing happens twice after that: the events
   * of the first call are still found by their ids. Only other arguments under a forgotten key are not noticed.
   */
  prune(olderThanMs: number): Promise<number>;
}

/** How long a key is remembered with its arguments. */
export const KEY_LIFETIME_MS = 7 * 24 * 3_600_000;
/** So that a table that grew for long is not locked for long. */
const PRUNED_AT_ONCE = 10_000;

export const IDEMPOTENCY_LEDGER = Symbol('IdempotencyLedger');

/** For tests and the memory store. */
export class MemoryIdempotencyLedger implements IdempotencyLedger {
  private readonly digests = new Map<string, string>();
  private readonly since = new Map<string, number>();

  constructor(private readonly clock: Pick<Clock, 'wallMs'> = { wallMs: () => 0 }) {}

  async prune(olderThanMs: number): Promise<number> {
    const before = this.clock.wallMs() - olderThanMs;
    const old = [...this.since].filter(([, ms]) => ms < before).map(([id]) => id);
    for (const id of old) {
      this.digests.delete(id);
      this.since.delete(id);
    }
    return old.length;
  }

  async claim(callId: string, argumentsDigest: string): Promise<'same' | 'different'> {
    const known = this.digests.get(callId);
    if (known === undefined) {
      this.digests.set(callId, argumentsDigest);
      this.since.set(callId, this.clock.wallMs());
    }
    return known === undefined || known === argumentsDigest ? 'same' : 'different';
  }
}

/** The part of a pg Pool that is needed; the platform hands in the one it owns. */
export interface Queryable {
  query(text: string, values: readonly unknown[]): Promise<{ readonly rows: readonly Record<string, unknown>[] }>;
}

/** One row per key, in `tools.idempotency_keys`; the first writer's digest stands. */
export class PostgresIdempotencyLedger implements IdempotencyLedger {
  constructor(private readonly pool: Queryable) {}

  async prune(olderThanMs: number): Promise<number> {
    const { rows } = await this.pool.query(
      `WITH old AS (
         SELECT call_id FROM tools.idempotency_keys
          WHERE claimed_at < now() - $1 * interval '1 millisecond' LIMIT $2),
       gone AS (DELETE FROM tools.idempotency_keys k USING old WHERE k.call_id = old.call_id RETURNING 1)
       SELECT count(*)::int AS count FROM gone`,
      [olderThanMs, PRUNED_AT_ONCE],
    );
    return Number(rows[0]!.count);
  }

  async claim(callId: string, argumentsDigest: string): Promise<'same' | 'different'> {
    const { rows } = await this.pool.query(
      `WITH claimed AS (
         INSERT INTO tools.idempotency_keys (call_id, arguments_digest) VALUES ($1, $2)
         ON CONFLICT (call_id) DO NOTHING RETURNING arguments_digest)
       SELECT arguments_digest FROM claimed
       UNION ALL SELECT arguments_digest FROM tools.idempotency_keys WHERE call_id = $1`,
      [callId, argumentsDigest],
    );
    if (rows.length > 0) return rows[0]!.arguments_digest === argumentsDigest ? 'same' : 'different';
    // Lost a race with a writer that committed after this statement's snapshot: the row is visible now.
    return this.claim(callId, argumentsDigest);
  }
}
