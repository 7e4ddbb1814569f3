/** The keys of an envelope in canonical order. */
const KEYS = ['account', 'data', 'id', 'meta', 'schemaVersion', 'stream', 'type', 'version'] as const;
export type EnvelopeKey = (typeof KEYS)[number];
const OPENERS = KEYS.map((key, index) => Buffer.from(`${index === 0 ? '{' : ','}"${key}":`));
const INDEX = Object.fromEntries(KEYS.map((key, index) => [key, index])) as Readonly<Record<EnvelopeKey, number>>;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const DASH = 0x2d;
const ZERO = 0x30;
const UUID_BYTES = 16;
const HEX = Buffer.from('0123456789abcdef');

/**
 * The top level of a canonical envelope, found without parsing what lies below it: parsing would cost more than all of an
 * event's hashes. Only keys and the ends of values are looked at, so brackets in strings are no brackets.
 */
export class EnvelopeReader {
  private bytes: Buffer = Buffer.alloc(0);
  private readonly starts = new Int32Array(KEYS.length);
  private readonly ends = new Int32Array(KEYS.length);

  /** False unless the bytes from `start` to `end` are an object with exactly these keys, in this order. */
  read(bytes: Buffer, start: number, end: number): boolean {
    this.bytes = bytes;
    let at = start;
    for (let key = 0; key < KEYS.length; key++) {
      const opener = OPENERS[key]!;
      for (let i = 0; i < opener.length; i++) if (bytes[at + i] !== opener[i]) return false;
      at += opener.length;
      this.starts[key] = at;
      at = endOfValue(bytes, at, end);
      if (at < 0) return false;
      this.ends[key] = at;
    }
    return at === end - 1 && bytes[at] === CLOSE_OBJECT;
  }

  /** Whether a string of the envelope says what the bytes of a column say. */
  isString(key: EnvelopeKey, column: Buffer, from: number, to: number): boolean {
    const start = this.starts[INDEX[key]]!;
    const end = this.ends[INDEX[key]]!;
    const { bytes } = this;
    if (bytes[start] !== QUOTE) return false;
    for (let i = from; i < to; i++) {
      const byte = column[i]!;
      if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) {
        return bytes.toString('utf8', start, end) === JSON.stringify(column.toString('utf8', from, to));
      }
      if (byte !== bytes[start + 1 + i - from]) return false;
    }
    return end - start === to - from + 2;
  }

  /** Whether a string of the envelope is the uuid of 16 bytes. */
  isUuid(key: EnvelopeKey, column: Buffer, from: number, to: number): boolean {
    let at = this.starts[INDEX[key]]!;
    const { bytes } = this;
    if (to - from !== UUID_BYTES || bytes[at++] !== QUOTE) return false;
    for (let i = 0; i < UUID_BYTES; i++) {
      if ((i === 4 || i === 6 || i === 8 || i === 10) && bytes[at++] !== DASH) return false;
      const byte = column[from + i]!;
      if (bytes[at++] !== HEX[byte >> 4] || bytes[at++] !== HEX[byte & 15]) return false;
    }
    return bytes[at++] === QUOTE && at === this.ends[INDEX[key]]!;
  }

  /** Whether a number of the envelope is this non-negative integer. */
  isNumber(key: EnvelopeKey, value: number): boolean {
    const start = this.starts[INDEX[key]]!;
    let rest = value;
    for (let at = this.ends[INDEX[key]]! - 1; at >= start; at--) {
      if (this.bytes[at] !== ZERO + (rest % 10) || (rest === 0 && at < this.ends[INDEX[key]]! - 1)) return false;
      rest = Math.floor(rest / 10);
    }
    return rest === 0;
  }
}

/** The index after the value that begins at `at`; −1 when it does not end. */
const endOfValue = (bytes: Buffer, at: number, end: number): number => {
  let depth = 0;
  for (let i = at; i < end; i++) {
    const byte = bytes[i]!;
    if (byte === QUOTE) {
      i = endOfString(bytes, i, end);
      if (i < 0) return -1;
      if (depth === 0) return i + 1;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      if (depth === 0) return i > at ? i : -1;
      if (--depth === 0) return i + 1;
    } else if (byte === COMMA && depth === 0) return i > at ? i : -1;
  }
  return -1;
};

/** The index of the closing quote. */
const endOfString = (bytes: Buffer, at: number, end: number): number => {
  for (let i = at + 1; i < end; i++) {
    const byte = bytes[i]!;
    if (byte === QUOTE) return i;
    if (byte === BACKSLASH) i++;
  }
  return -1;
};
