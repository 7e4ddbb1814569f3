/**
 * Remembers which arguments came under an idempotency key, so that the same key with other arguments is noticed. That the
 * same call gives the same events needs no memory: command ids derive from the key.
 */
export interface IdempotencyLedger {
  /** Claims the key for these arguments; 'different' when it was claimed for others before. Safe under races. */
  claim(callId: string, argumentsDigest: string): Promise<'same' | 'different'>;
}

export const IDEMPOTENCY_LEDGER = Symbol('IdempotencyLedger');

/** For tests and the memory store. */
export class MemoryIdempotencyLedger implements IdempotencyLedger {
  private readonly digests = new Map<string, string>();

  async claim(callId: string, argumentsDigest: string): Promise<'same' | 'different'> {
    const known = this.digests.get(callId);
    if (known === undefined) this.digests.set(callId, argumentsDigest);
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
