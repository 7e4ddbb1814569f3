import { canonicalJson, chainEntry, chainStep, contentHash } from '#kernel';
import type { StoredEvent } from '../log/stored-log.js';
import { leafHash, merkleRoot } from '../proof/merkle.js';
import { PLACE_BYTES } from './seal-store.js';

/** The log is not as it was written: it is not sealed any further. */
export class BrokenLogError extends Error {
  override readonly name = 'BrokenLogError';
  constructor(
    readonly position: bigint,
    reason: string,
  ) {
    super(`event ${position}: ${reason}`);
  }
}

/** A run of events that the next seal will cover: their hashes only. */
export class Pending {
  readonly leaves: Buffer[] = [];
  private readonly places: Buffer[] = [];
  private firstPosition = 0n;
  private lastPosition: bigint;
  private chainHash: Buffer;

  /** `after` and `chain`: what the seal before ended with. */
  constructor(
    after: bigint,
    chain: Uint8Array,
    private readonly nativeChain: boolean,
  ) {
    this.lastPosition = after;
    this.chainHash = Buffer.from(chain);
  }

  get count(): number {
    return this.leaves.length;
  }
  /** Where to read on. */
  get last(): bigint {
    return this.lastPosition;
  }
  get first(): bigint {
    return this.firstPosition;
  }
  get chain(): Buffer {
    return this.chainHash;
  }

  root(): string {
    return Buffer.from(merkleRoot(this.leaves)).toString('hex');
  }
  leafBytes(): Buffer {
    return Buffer.concat(this.leaves);
  }
  placeBytes(): Buffer | undefined {
    return this.nativeChain ? undefined : Buffer.concat(this.places);
  }

  /** Recomputes what the store says of the event. Throws BrokenLogError: what was altered must not be sealed. */
  add(event: StoredEvent): void {
    const { position, recordedAt, envelope } = event;
    if (position <= this.lastPosition) throw new BrokenLogError(position, 'it is out of order');
    const content = contentHash(envelope);
    const chain = chainStep(this.chainHash, position, recordedAt, content);
    if (this.nativeChain) this.mustFollow(event, chain);
    this.leaves.push(leafHash(chainEntry(position, recordedAt, content)));
    if (!this.nativeChain) this.places.push(place(event));
    if (this.count === 1) this.firstPosition = position;
    this.lastPosition = position;
    this.chainHash = chain;
  }

  private mustFollow({ position, envelope, chain: stored }: StoredEvent, chain: Buffer): void {
    if (position !== this.lastPosition + 1n) throw new BrokenLogError(this.lastPosition + 1n, 'the event is missing');
    if (stored !== chain.toString('hex')) {
      throw new BrokenLogError(position, 'its chain hash does not follow from what is stored');
    }
    if (canonicalJson(JSON.parse(envelope)) !== envelope) {
      throw new BrokenLogError(position, 'its envelope is not canonical JSON');
    }
  }
}

export const uuidBytes = (id: string): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');

const place = ({ id, position }: StoredEvent): Buffer => {
  const bytes = Buffer.alloc(PLACE_BYTES);
  uuidBytes(id).copy(bytes);
  bytes.writeBigInt64BE(position, PLACE_BYTES - 8);
  return bytes;
};
