import { createHmac, timingSafeEqual } from 'node:crypto';
import { canonicalJson, deterministicUuid, refusal, RefusedError } from '#kernel';
import type { IdempotencyLedger } from './idempotency.js';

export const PLAN_TTL_MS = 10 * 60_000;

/** What a plan is good for: one caller, one tool, these very arguments. */
export interface PlanAbout {
  readonly accountId: string;
  readonly operatorId: string;
  readonly tool: string;
  readonly argumentsDigest: string;
}

const FORMAT = /^plan_([A-Za-z0-9_-]{8})([A-Za-z0-9_-]{32})$/;

/**
 * Plan ids prove that a dry run of exactly this call was answered within the last ten minutes. Nothing is stored: the id is a
 * MAC over what it is good for, so every platform process knows those of the others, and a restart voids none.
 */
export class PlanCodec {
  private readonly key: Buffer;

  /** `key`: 32 secret bytes, the same on every platform process. */
  constructor(key: Uint8Array) {
    this.key = createHmac('sha256', key).update('drover plan ids').digest();
  }

  issue(about: PlanAbout, nowMs: number): { readonly planId: string; readonly expiresAtMs: number } {
    const expiresAtMs = nowMs + PLAN_TTL_MS;
    const expiry = Buffer.alloc(6);
    expiry.writeUIntBE(expiresAtMs, 0, 6);
    return { planId: `plan_${expiry.toString('base64url')}${this.mac(about, expiresAtMs)}`, expiresAtMs };
  }

  check(about: PlanAbout, planId: string, nowMs: number): 'fresh' | 'expired' | 'other' {
    const [, expiry, mac] = FORMAT.exec(planId) ?? [];
    if (expiry === undefined || mac === undefined) return 'other';
    const expiresAtMs = Buffer.from(expiry, 'base64url').readUIntBE(0, 6);
    const given = Buffer.from(mac);
    if (!timingSafeEqual(given, Buffer.from(this.mac(about, expiresAtMs)))) return 'other';
    return nowMs < expiresAtMs ? 'fresh' : 'expired';
  }

  private mac({ accountId, operatorId, tool, argumentsDigest }: PlanAbout, expiresAtMs: number): string {
    const text = canonicalJson([accountId, operatorId, tool, argumentsDigest, expiresAtMs]);
    return createHmac('sha256', this.key).update(text).digest().subarray(0, 24).toString('base64url');
  }
}

/**
 * A plan is good for one call: who wants to do the same thing again looks again at what would follow. A repeat under the call's
 * idempotency key is the same call. Throws RefusedError.
 */
export const spendPlan = async (
  ledger: Pick<IdempotencyLedger, 'claim'>,
  planId: string,
  callId: string,
): Promise<void> => {
  if ((await ledger.claim(deterministicUuid('plan', planId), callId)) === 'same') return;
  throw new RefusedError(
    refusal(409, 'plan_used', 'another call was made with this plan', {
      field: 'plan_id',
      hint: 'dry_run: true gives another one; to repeat a call that may have failed, repeat it under its idempotency_key',
    }),
  );
};

/** 32 secret bytes for what surfaces seal and get back, the same on every platform process. */
export const STATE_KEY = Symbol('StateKey');
