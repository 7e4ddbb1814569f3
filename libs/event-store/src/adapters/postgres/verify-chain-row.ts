import { hash } from 'node:crypto';
import { canonicalJson, CHAIN_GENESIS, isoTime } from '#kernel';
import { Column, RowReader } from './verify-chain-reader.js';
import { EnvelopeReader } from './verify-chain-envelope.js';

/** How far a check has come: what the next row must follow. */
export interface ChainPoint {
  readonly position: bigint;
  readonly chainHash: Uint8Array;
  readonly recordedMs: number;
}
export const GENESIS_POINT: ChainPoint = { position: 0n, chainHash: CHAIN_GENESIS, recordedMs: 0 };

const ISO_MAX_MS = 253_402_300_799_999;
/** previous chain hash ‖ position ‖ time of recording ‖ content: see chainStep in the kernel, whose bytes these are. */
const AT = { position: 32, time: 40, content: 64, end: 96 } as const;

/**
 * Checks rows one after the other, each against the one before it: no gap, time never goes back, columns say what the
 * hashed envelope says (or a query over them could be lied to), content and chain hash follow from the stored bytes.
 * Nothing is kept of a row and hardly anything is allocated for it: this runs once for every event there ever was.
 */
export class RowCheck {
  private readonly row = new RowReader();
  private readonly envelope = new EnvelopeReader();
  private readonly step = Buffer.alloc(AT.end);
  private timeMs = -1;
  private at: number;
  private recordedMs: number;
  /** Position ‖ time ‖ content of the row checked last, recomputed; valid until the next one. */
  readonly entry = this.step.subarray(AT.position, AT.end);

  /** `deep` also demands that envelopes are canonical JSON throughout: for what no seal covers yet. */
  constructor(
    after: ChainPoint,
    private readonly deep: boolean,
  ) {
    this.at = Number(after.position);
    this.recordedMs = after.recordedMs;
    this.step.set(after.chainHash, 0);
  }

  /** Behind the last row that was as it should be. */
  get point(): ChainPoint {
    const chainHash = Buffer.from(this.step.subarray(0, AT.position));
    return { position: BigInt(this.at), chainHash, recordedMs: this.recordedMs };
  }

  /** The tuple's row is the next one of the log, whatever else may be wrong with it. */
  isNext(tuple: Buffer): boolean {
    this.row.read(tuple);
    return this.row.number(Column.position) === this.at + 1;
  }

  /** What is wrong with the row that `isNext` was asked about; moves on when nothing is. */
  problem(): string | undefined {
    const { row } = this;
    const ms = row.number(Column.recorded_ms);
    const content = hash('sha256', row.bytes(Column.envelope), 'buffer');
    row.copy(Column.position, this.step, AT.position);
    this.writeTime(ms);
    this.step.set(content, AT.content);
    if (ms < this.recordedMs) return 'its time of recording lies before that of the event before it';
    if (ms > ISO_MAX_MS) return 'its time of recording is no time';
    const differing = this.differing();
    if (differing !== undefined) return differing;
    if (!row.equals(Column.content_hash, content)) return 'its content hash does not match its envelope';
    const chain = hash('sha256', this.step, 'buffer');
    if (!row.equals(Column.chain_hash, chain)) return 'its chain hash does not follow from the event before it';
    this.step.set(chain, 0);
    this.at++;
    this.recordedMs = ms;
    return undefined;
  }

  private writeTime(ms: number): void {
    if (ms === this.timeMs) return;
    this.step.write(isoTime(Math.min(Math.max(ms, 0), ISO_MAX_MS)), AT.time, 'latin1');
    this.timeMs = ms;
  }

  private differing(): string | undefined {
    const { row, envelope } = this;
    const found = envelope.read(row.tuple, row.start(Column.envelope), row.end(Column.envelope));
    if (!found) return isJson(row.bytes(Column.envelope)) ? NOT_CANONICAL : 'its envelope is not JSON';
    const column = this.differingColumn();
    if (column !== undefined) return `its column ${column} differs from its envelope`;
    return this.deep && !isCanonical(row.bytes(Column.envelope)) ? NOT_CANONICAL : undefined;
  }

  private differingColumn(): string | undefined {
    const { row, envelope } = this;
    const isText = (key: 'stream' | 'type' | 'account') =>
      envelope.isString(key, row.tuple, row.start(Column[key]), row.end(Column[key]));
    if (!envelope.isUuid('id', row.tuple, row.start(Column.id), row.end(Column.id))) return 'id';
    if (!isText('stream')) return 'stream';
    if (!row.isCategoryOf(Column.category, Column.stream)) return 'category';
    if (!envelope.isNumber('version', row.number(Column.version))) return 'version';
    if (!isText('type')) return 'type';
    if (!isText('account')) return 'account';
    return envelope.isNumber('schemaVersion', row.number(Column.schema_version)) ? undefined : 'schema_version';
  }
}

const NOT_CANONICAL = 'its envelope is not canonical JSON';

const isCanonical = (envelope: Buffer): boolean => {
  const text = envelope.toString();
  return isJson(envelope) && canonicalJson(JSON.parse(text)) === text;
};

const isJson = (envelope: Buffer): boolean => {
  try {
    return typeof JSON.parse(envelope.toString()) === 'object';
  } catch {
    return false;
  }
};
