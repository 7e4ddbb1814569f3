/** Columns of es.events in the order in which a check reads them. */
const COLUMNS = [
  'position',
  'recorded_ms',
  'version',
  'schema_version',
  'id',
  'stream',
  'category',
  'type',
  'account',
  'envelope',
  'content_hash',
  'chain_hash',
] as const;
export const CHAIN_COLUMNS = COLUMNS.join(', ');
type ColumnName = (typeof COLUMNS)[number];
export const Column = Object.fromEntries(COLUMNS.map((name, index) => [name, index])) as Readonly<
  Record<ColumnName, number>
>;

const DASH = 0x2d;

/** One tuple of `COPY … (FORMAT binary)` over CHAIN_COLUMNS, read where it lies. */
export class RowReader {
  tuple: Buffer = Buffer.alloc(0);
  private readonly starts = new Int32Array(COLUMNS.length);
  private readonly ends = new Int32Array(COLUMNS.length);

  read(tuple: Buffer): void {
    if (int16(tuple, 0) !== COLUMNS.length) throw new Error('the database answered other columns than were asked for');
    this.tuple = tuple;
    let at = 2;
    for (let column = 0; column < COLUMNS.length; column++) {
      const length = int32(tuple, at);
      if (length < 0) throw new Error(`column ${COLUMNS[column]} of es.events is null`);
      this.starts[column] = at + 4;
      at += 4 + length;
      this.ends[column] = at;
    }
  }

  start(column: number): number {
    return this.starts[column]!;
  }

  end(column: number): number {
    return this.ends[column]!;
  }

  bytes(column: number): Buffer {
    return this.tuple.subarray(this.starts[column], this.ends[column]);
  }

  /** Of an integer or bigint column; exact up to 2^53. */
  number(column: number): number {
    const start = this.starts[column]!;
    if (this.ends[column]! - start === 4) return int32(this.tuple, start);
    return int32(this.tuple, start) * 2 ** 32 + (int32(this.tuple, start + 4) >>> 0);
  }

  copy(column: number, to: Buffer, at: number): void {
    const start = this.starts[column]!;
    const length = this.ends[column]! - start;
    for (let i = 0; i < length; i++) to[at + i] = this.tuple[start + i]!;
  }

  equals(column: number, value: Uint8Array): boolean {
    const start = this.starts[column]!;
    if (this.ends[column]! - start !== value.length) return false;
    for (let i = 0; i < value.length; i++) if (this.tuple[start + i] !== value[i]) return false;
    return true;
  }

  /** The category is what stands before a stream's first dash. */
  isCategoryOf(category: number, stream: number): boolean {
    const { tuple } = this;
    const [from, to] = [this.starts[category]!, this.ends[category]!];
    const name = this.starts[stream]!;
    for (let i = 0; i < to - from; i++) {
      if (tuple[from + i] !== tuple[name + i] || tuple[from + i] === DASH) return false;
    }
    return name + to - from < this.ends[stream]! && tuple[name + to - from] === DASH;
  }
}

const int16 = (bytes: Buffer, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
const int32 = (bytes: Buffer, at: number): number =>
  (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
