import { chainEntry, contentHash } from '#kernel';
import type { StoredEvent, StoredLog } from '../log/stored-log.js';
import { leafHash, merkleRoot } from '../proof/merkle.js';
import { parseSeal, type Seal } from '../proof/seal.js';
import type { SealRow } from '../seals/seal-store.js';

/** The log is not what was sealed: nothing can be proven from it. */
export class UnprovableError extends Error {
  override readonly name = 'UnprovableError';
}

export interface SealedLeaves {
  readonly seal: Seal;
  readonly leaves: readonly Buffer[];
  /** Indexes of the leaves that `isOwn` said yes to. */
  readonly own: readonly number[];
}

const READ = 500;

/** The leaves under a seal, recomputed from what is stored. Throws UnprovableError when they are not those that were sealed. */
export const sealedLeaves = async (
  log: StoredLog,
  row: SealRow,
  isOwn: (event: StoredEvent) => boolean,
): Promise<SealedLeaves> => {
  const seal = parseSeal(row.line);
  if (seal === undefined) throw new UnprovableError(`seal ${row.seq} is not as it was made; run verify_audit`);
  const leaves: Buffer[] = [];
  const own: number[] = [];
  for (let at = BigInt(seal.from) - 1n; ;) {
    const events = await log.read(at, READ, BigInt(seal.to));
    if (events.length === 0) break;
    for (const event of events) {
      if (isOwn(event)) own.push(leaves.length);
      leaves.push(leafHash(chainEntry(event.position, event.recordedAt, contentHash(event.envelope))));
      at = event.position;
    }
  }
  if (leaves.length !== seal.events || Buffer.from(merkleRoot(leaves)).toString('hex') !== seal.root) {
    throw new UnprovableError(`the events under seal ${seal.seq} are not those that were sealed; run verify_audit`);
  }
  return { seal, leaves, own };
};
