import { createHmac } from 'node:crypto';
import { deterministicUuid, type Random } from '#kernel';

/** What the seed of an approved call is called, among the secrets of its approval. */
export const SEED = 'seed';

/**
 * Bytes that nobody can guess who does not know the seed, and that come again in the same order for the same seed: a call that is made
 * again because the platform died in the middle of it makes the same secrets again, whose digests stand in events already.
 */
export const callChance = (seed: string): Pick<Random, 'bytes'> => {
  let block = 0;
  return {
    bytes: (count) => {
      const blocks = Array.from({ length: Math.ceil(count / 32) }, () =>
        createHmac('sha256', seed).update(`approved-call ${block++}`).digest(),
      );
      return Buffer.concat(blocks).subarray(0, count);
    },
  };
};

/** No idempotency key leads here: whatever callers write into theirs, the approved call is its own. */
export const approvedCall = (approvalId: string): string => deterministicUuid('approved-call', approvalId);
