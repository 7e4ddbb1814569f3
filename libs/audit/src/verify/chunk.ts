import type pg from 'pg';
import { checkRange, type ChainPoint } from '#event-store';
import { leafHash, merkleRoot } from '../proof/merkle.js';

/** A stretch of the log that is checked in one pass. Plain data: it travels to worker threads. */
export interface Chunk {
  readonly after: ChainPoint;
  /** What seals say of it; together they reach from `after` to `through`, or there are none. */
  readonly ranges: readonly { readonly to: bigint; readonly root: string; readonly chain: string }[];
  readonly through: bigint;
  /** Whether envelopes are to be parsed: where no seal says that they are as they were. */
  readonly deep: boolean;
}

export type ChunkOutcome =
  | { readonly kind: 'intact'; readonly end: ChainPoint }
  /** `range`: index of the sealed range in which it lies. */
  | { readonly kind: 'broken'; readonly position: bigint; readonly reason: string; readonly range: number | undefined }
  /** Each event follows from the one before it, but they are not those that were sealed. */
  | { readonly kind: 'resealed'; readonly range: number };

/** Checks a chunk over one connection: rows against each other, and every range's Merkle root against its seal. */
export const checkChunk = async (client: Pick<pg.Client, 'query'>, chunk: Chunk): Promise<ChunkOutcome> => {
  const { ranges, after, through, deep } = chunk;
  let leaves: Buffer[] = [];
  let at = Number(after.position);
  let range = 0;
  let mismatch: number | undefined;
  const outcome = await checkRange(client, { after, through, deep }, (entry) => {
    at++;
    if (range >= ranges.length || mismatch !== undefined) return;
    leaves.push(leafHash(entry));
    if (at < Number(ranges[range]!.to)) return;
    if (Buffer.from(merkleRoot(leaves)).toString('hex') !== ranges[range]!.root) mismatch = range;
    leaves = [];
    range++;
  });
  if (mismatch !== undefined) return { kind: 'resealed', range: mismatch };
  if (outcome.kind === 'broken') {
    const { position, reason } = outcome;
    const within = ranges.findIndex((one) => one.to >= position);
    return { kind: 'broken', position, reason, range: within < 0 ? undefined : within };
  }
  const last = ranges.at(-1);
  if (last !== undefined && last.to === through && last.chain !== Buffer.from(outcome.end.chainHash).toString('hex')) {
    return { kind: 'resealed', range: ranges.length - 1 };
  }
  return { kind: 'intact', end: outcome.end };
};
