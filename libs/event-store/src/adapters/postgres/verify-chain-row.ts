import { canonicalJson, CHAIN_GENESIS, chainStep, contentHash, isoTime } from '#kernel';
import { topLevelOf } from './verify-chain-envelope.js';

/** Of es.events, in the order in which `RowReader` reads them. */
export const CHAIN_COLUMNS =
  'position, recorded_ms, version, schema_version, id, stream, category, type, account, envelope, content_hash, chain_hash';
const COLUMN_COUNT = 12;

/** One row of es.events as the database sends it; the buffers are views, valid during one call. */
export interface StoredRow {
  readonly position: bigint;
  readonly recordedMs: number;
  readonly version: number;
  readonly schemaVersion: number;
  readonly id: Buffer;
  readonly stream: Buffer;
  readonly category: Buffer;
  readonly type: Buffer;
  readonly account: Buffer;
  readonly envelope: Buffer;
  readonly contentHash: Buffer;
  readonly chainHash: Buffer;
}

const bigintAt = (tuple: Buffer, at: number): number => tuple.readInt32BE(at) * 2 ** 32 + tuple.readUInt32BE(at + 4);

/** A tuple of `COPY … (FORMAT binary)` over CHAIN_COLUMNS. No column of es.events can be null. */
export const readRow = (tuple: Buffer): StoredRow => {
  if (tuple.readInt16BE(0) !== COLUMN_COUNT) throw new Error('the database answered other columns than were asked for');
  let at = 2;
  const field = (): Buffer => {
    const length = tuple.readInt32BE(at);
    if (length < 0) throw new Error('a column of es.events is null');
    const value = tuple.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    return value;
  };
  const number = (): number => {
    const wide = tuple.readInt32BE(at) === 8;
    const value = wide ? bigintAt(tuple, at + 4) : tuple.readInt32BE(at + 4);
    at += wide ? 12 : 8;
    return value;
  };
  const position = tuple.readBigInt64BE(at + 4);
  at += 12;
  const [recordedMs, version, schemaVersion] = [number(), number(), number()];
  const [id, stream, category, type, account, envelope] = [field(), field(), field(), field(), field(), field()];
  const [content, chain] = [field(), field()];
  return {
    ...{ position, recordedMs, version, schemaVersion, id, stream, category, type, account, envelope },
    contentHash: content,
    chainHash: chain,
  };
};

/** How far a check has come: what the next row must follow. */
export interface ChainPoint {
  readonly position: bigint;
  readonly chainHash: Uint8Array;
  readonly recordedMs: number;
}

/** What was found on the way of one row; `content` and `recordedAt` are recomputed, not read. */
export interface CheckedRow {
  readonly problem: string | undefined;
  readonly content: Buffer;
  readonly recordedAt: string;
}

const ISO_MAX_MS = 253_402_300_799_999;

/**
 * Checks one row against its predecessor: no gap, time never goes back, columns say what the hashed envelope says (or a
 * query over them could be lied to), content and chain hash follow from the stored bytes. `deep` also demands that the
 * envelope is canonical JSON throughout: for what no seal covers yet.
 */
export const checkRow = (row: StoredRow, before: ChainPoint, deep: boolean): CheckedRow => {
  const content = contentHash(row.envelope);
  const timeIsPossible = row.recordedMs >= 0 && row.recordedMs <= ISO_MAX_MS;
  const recordedAt = timeIsPossible ? isoTime(row.recordedMs) : isoTime(0);
  const result = (problem: string | undefined): CheckedRow => ({ problem, content, recordedAt });
  if (row.position !== before.position + 1n) return result('the event is missing');
  if (!timeIsPossible || row.recordedMs < before.recordedMs) {
    return result('its time of recording lies before that of the event before it');
  }
  const column = differingColumn(row);
  if (column !== undefined) return result(column);
  if (deep && !isCanonical(row.envelope)) return result('its envelope is not canonical JSON');
  if (!content.equals(row.contentHash)) return result('its content hash does not match its envelope');
  const step = chainStep(before.chainHash, row.position, recordedAt, content);
  return result(
    step.equals(row.chainHash) ? undefined : 'its chain hash does not follow from the event before it',
  );
};

const isCanonical = (envelope: Buffer): boolean => {
  const text = envelope.toString();
  return canonicalJson(JSON.parse(text)) === text;
};

const differingColumn = (row: StoredRow): string | undefined => {
  const found = topLevelOf(row.envelope);
  if (found === undefined) {
    return isJson(row.envelope) ? 'its envelope is not canonical JSON' : 'its envelope is not JSON';
  }
  const differs = (name: string) => `its column ${name} differs from its envelope`;
  if (!found.isString('id', uuidText(row.id))) return differs('id');
  if (!found.isString('stream', row.stream)) return differs('stream');
  if (!isCategoryOf(row.category, row.stream)) return differs('category');
  if (!found.isNumber('version', row.version)) return differs('version');
  if (!found.isString('type', row.type)) return differs('type');
  if (!found.isString('account', row.account)) return differs('account');
  return found.isNumber('schemaVersion', row.schemaVersion) ? undefined : differs('schema_version');
};

const isJson = (envelope: Buffer): boolean => {
  try {
    return typeof JSON.parse(envelope.toString()) === 'object';
  } catch {
    return false;
  }
};

const uuidText = (id: Buffer): Buffer => {
  const hex = id.toString('hex');
  return Buffer.from(
    `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
    'latin1',
  );
};

const DASH = 0x2d;
const isCategoryOf = (category: Buffer, stream: Buffer): boolean => {
  if (stream[category.length] !== DASH) return stream.indexOf(DASH) < 0 && category.length === 0;
  for (let i = 0; i < category.length; i++) if (category[i] !== stream[i] || category[i] === DASH) return false;
  return true;
};

export const GENESIS_POINT: ChainPoint = { position: 0n, chainHash: CHAIN_GENESIS, recordedMs: 0 };
