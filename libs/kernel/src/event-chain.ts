import { hash } from 'node:crypto';

/**
 * The hash chain over the event log; migrations/0001_event_store.sql computes the same in the database. `content` is the
 * sha256 of an event's canonical envelope as it is stored; position and time of recording enter the step only.
 */
export const CHAIN_GENESIS: Uint8Array = hash('sha256', 'drover event log', 'buffer');

export const contentHash = (envelope: string | Uint8Array): Buffer => hash('sha256', envelope, 'buffer');

const HASH = 32;
const NUMBER = 8;
const TIME = 24;

/** chain(n) = sha256(chain(n − 1) ‖ position as int64, big-endian ‖ time of recording, ISO 8601 in milliseconds ‖ content). */
export const chainStep = (previous: Uint8Array, position: bigint, recordedAt: string, content: Uint8Array): Buffer => {
  const input = Buffer.allocUnsafe(HASH + NUMBER + TIME + HASH);
  input.set(previous, 0);
  writeEntry(input, HASH, position, recordedAt, content);
  return hash('sha256', input, 'buffer');
};

/** What chain and Merkle tree commit to of one event: position ‖ time of recording ‖ content, 64 bytes. */
export const chainEntry = (position: bigint, recordedAt: string, content: Uint8Array): Buffer => {
  const entry = Buffer.allocUnsafe(NUMBER + TIME + HASH);
  writeEntry(entry, 0, position, recordedAt, content);
  return entry;
};

const writeEntry = (to: Buffer, at: number, position: bigint, recordedAt: string, content: Uint8Array): void => {
  if (recordedAt.length !== TIME || content.length !== HASH) throw new RangeError('not an entry of the chain');
  to.writeBigInt64BE(position, at);
  to.write(recordedAt, at + NUMBER, 'latin1');
  to.set(content, at + NUMBER + TIME);
};
