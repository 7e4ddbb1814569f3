import type { KeyRecord } from '../proof/keys.js';
import type { Seal } from '../proof/seal.js';

/** A seal as it is kept: the signed line, and what it takes to name the event that no longer fits it. */
export interface SealRow {
  readonly seq: number;
  readonly from: bigint;
  readonly to: bigint;
  /** As in the file sink. */
  readonly line: string;
}

export interface NewSeal {
  readonly seal: Seal;
  /** The hashes under its root, 32 bytes each. */
  readonly leaves: Uint8Array;
  /** Uuid and position of each event, 24 bytes each; where the store cannot find an event by its id. */
  readonly places?: Uint8Array;
}

export interface SealHead {
  readonly epoch: number;
  readonly sealSeq: number;
  readonly keySeq: number;
  readonly exportedSeq: number;
  readonly wanted: bigint;
}

/**
 * Where seals and public keys are kept. Adding a seal or a key is one step that finds the head as expected or changes nothing, so
 * that there is never a fork or a gap, whoever else writes. Postgres in the platform, memory with the memory store.
 */
export interface SealStore {
  head(): Promise<SealHead>;
  /** Fences earlier leaders. Throws FencedError when a later one has claimed. */
  claim(epoch: number): Promise<void>;
  /** 'moved': the head is another one by now (a seal or a key was added). Throws FencedError. */
  addSeal(row: NewSeal, keySeq: number, epoch: number): Promise<'added' | 'moved'>;
  /** The file sink has everything up to this seal. Throws FencedError. */
  exported(seq: number, epoch: number): Promise<void>;
  /** Asks the leader for a seal over everything up to a position. */
  want(position: bigint): Promise<void>;
  seal(seq: number): Promise<SealRow | undefined>;
  /** In order, after a sequence number. */
  seals(after: number, limit: number): Promise<readonly SealRow[]>;
  /** The first seal that ends at or after a position. */
  sealCovering(position: bigint): Promise<SealRow | undefined>;
  evidence(seq: number): Promise<{ readonly leaves: Uint8Array; readonly places: Uint8Array | undefined } | undefined>;
  /** Of an event's place, where places are kept: by its uuid (16 bytes). */
  findPlace(id: Uint8Array): Promise<bigint | undefined>;
  keys(): Promise<readonly KeyRecord[]>;
  /** The rows as they stand, for verification: text that may be anything. */
  keyTexts(): Promise<readonly string[]>;
  /** 'moved' as for seals; 'repeated': this command added a key before, whatever else it says. */
  addKey(record: KeyRecord, commandId: string): Promise<'added' | 'moved'>;
  keyOfCommand(commandId: string): Promise<KeyRecord | undefined>;
}

export const PLACE_BYTES = 24;
export const LEAF_BYTES = 32;

/** Looks a uuid up in places; undefined when it is not there. */
export const placeIn = (places: Uint8Array, id: Uint8Array): bigint | undefined => {
  const bytes = Buffer.from(places.buffer, places.byteOffset, places.byteLength);
  for (let at = bytes.indexOf(id); at >= 0; at = bytes.indexOf(id, at + 1)) {
    if (at % PLACE_BYTES === 0) return bytes.readBigInt64BE(at + id.length);
  }
  return undefined;
};
