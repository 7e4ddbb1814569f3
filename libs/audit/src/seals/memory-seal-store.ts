import { FencedError } from '#processing';
import type { KeyRecord } from '../proof/keys.js';
import { canonicalJson } from '#kernel';
import { sealLine } from '../proof/seal.js';
import { placeIn, type NewSeal, type SealHead, type SealRow, type SealStore } from './seal-store.js';

/** For the memory store and the simulator: the same rules as in Postgres. */
export class MemorySealStore implements SealStore {
  private state: SealHead = { epoch: 0, sealSeq: 0, keySeq: 0, exportedSeq: 0, wanted: 0n };
  private readonly rows: (SealRow & { readonly leaves: Uint8Array; readonly places: Uint8Array | undefined })[] = [];
  private readonly records: { readonly record: KeyRecord; readonly commandId: string }[] = [];

  async head(): Promise<SealHead> {
    return this.state;
  }

  async claim(epoch: number): Promise<void> {
    if (this.state.epoch > epoch) throw fenced(epoch);
    this.state = { ...this.state, epoch };
  }

  async addSeal({ seal, leaves, places }: NewSeal, keySeq: number, epoch: number): Promise<'added' | 'moved'> {
    if (this.state.epoch !== epoch) throw fenced(epoch);
    if (this.state.sealSeq !== seal.seq - 1 || this.state.keySeq !== keySeq) return 'moved';
    const { seq } = seal;
    this.rows.push({ seq, from: BigInt(seal.from), to: BigInt(seal.to), line: sealLine(seal), leaves, places });
    this.state = { ...this.state, sealSeq: seal.seq };
    return 'added';
  }

  async exported(seq: number, epoch: number): Promise<void> {
    if (this.state.epoch !== epoch) throw fenced(epoch);
    this.state = { ...this.state, exportedSeq: seq };
  }

  async want(position: bigint): Promise<void> {
    if (position > this.state.wanted) this.state = { ...this.state, wanted: position };
  }

  async seal(seq: number): Promise<SealRow | undefined> {
    return this.rows[seq - 1];
  }

  async seals(after: number, limit: number): Promise<readonly SealRow[]> {
    return this.rows.slice(after, after + limit);
  }

  async sealCovering(position: bigint): Promise<SealRow | undefined> {
    return this.rows.find((row) => row.to >= position);
  }

  async evidence(seq: number) {
    return this.rows[seq - 1];
  }

  async findPlace(id: Uint8Array): Promise<bigint | undefined> {
    for (const { places } of this.rows) {
      const found = places && placeIn(places, id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async keys(): Promise<readonly KeyRecord[]> {
    return this.records.map(({ record }) => record);
  }

  async keyTexts(): Promise<readonly string[]> {
    return this.records.map(({ record }) => canonicalJson(record));
  }

  async addKey(record: KeyRecord, commandId: string): Promise<'added' | 'moved'> {
    if (this.state.keySeq !== record.seq - 1 || this.state.sealSeq !== record.after_seal) return 'moved';
    this.records.push({ record, commandId });
    this.state = { ...this.state, keySeq: record.seq };
    return 'added';
  }

  async keyOfCommand(commandId: string): Promise<KeyRecord | undefined> {
    return this.records.find((one) => one.commandId === commandId)?.record;
  }
}

const fenced = (epoch: number): FencedError => new FencedError(`a later runner than epoch ${epoch} seals the log`);
