import { chainEntry, contentHash } from '#kernel';
import type { StoredLog } from '../log/stored-log.js';
import { leafHash, merkleRoot } from '../proof/merkle.js';
import { LEAF_BYTES, PLACE_BYTES, type SealStore } from '../seals/seal-store.js';
import type { SealedRange } from './findings.js';

const READ = 500;

/**
 * The first event of a range that is not the one which was sealed. The hashes that were kept with the seal tell which: they
 * cannot be forged against the seal's root. Without them only the range is known.
 */
export const locate = async (
  log: StoredLog,
  store: Pick<SealStore, 'evidence'>,
  range: SealedRange,
): Promise<{ readonly position: bigint; readonly exact: boolean } | undefined> => {
  const evidence = await store.evidence(range.seq);
  const leaves = evidence && slices(evidence.leaves, LEAF_BYTES);
  if (leaves === undefined || Buffer.from(merkleRoot(leaves)).toString('hex') !== range.root) {
    return { position: range.after + 1n, exact: false };
  }
  const places = evidence?.places && slices(evidence.places, PLACE_BYTES);
  const sealedAt = (index: number): bigint =>
    places?.[index] === undefined ? range.after + BigInt(index) + 1n : Buffer.from(places[index]).readBigInt64BE(16);
  let index = 0;
  for (let at = range.after; ;) {
    const events = await log.read(at, READ, range.to);
    if (events.length === 0) break;
    for (const { position, recordedAt, envelope } of events) {
      const leaf = leafHash(chainEntry(position, recordedAt, contentHash(envelope)));
      const sealed = leaves[index];
      if (sealed === undefined || !leaf.equals(sealed)) {
        const was = sealed === undefined ? position : sealedAt(index);
        return { position: was < position ? was : position, exact: true };
      }
      index++;
      at = position;
    }
  }
  return index < leaves.length ? { position: sealedAt(index), exact: true } : undefined;
};

const slices = (bytes: Uint8Array, size: number): Uint8Array[] =>
  Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
