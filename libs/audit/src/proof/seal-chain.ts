import type { KeyHistory } from './keys.js';
import { NO_PREVIOUS, sealHash, type Seal } from './seal.js';

/** Seals one after the other: each follows the one before it and is signed by the key whose turn it was. */
export class SealChain {
  private last: { readonly seq: number; readonly to: bigint; readonly hash: string } = {
    seq: 0,
    to: 0n,
    hash: NO_PREVIOUS,
  };

  constructor(private readonly keys: KeyHistory) {}

  get seq(): number {
    return this.last.seq;
  }

  /** What is wrong with a seal that claims to be the next one. */
  problemOf(seal: Seal): string | undefined {
    if (seal.seq !== this.last.seq + 1) return `seal ${this.last.seq + 1} is missing`;
    const signature = this.keys.problemOf(seal);
    if (signature !== undefined) return signature;
    if (seal.previous !== this.last.hash) return `seal ${seal.seq} does not follow seal ${this.last.seq}`;
    if (BigInt(seal.from) <= this.last.to || BigInt(seal.to) < BigInt(seal.from)) {
      return `seal ${seal.seq} covers positions that it cannot cover`;
    }
    return undefined;
  }

  /** The seal stands; what comes next must follow it. */
  accept(seal: Seal): void {
    this.last = { seq: seal.seq, to: BigInt(seal.to), hash: sealHash(seal) };
  }

  /** There is no seal here that can be trusted: the next one is believed about what it follows. */
  skip(next: Seal | undefined): void {
    this.last = { seq: this.last.seq + 1, to: this.last.to, hash: next?.previous ?? NO_PREVIOUS };
  }
}
