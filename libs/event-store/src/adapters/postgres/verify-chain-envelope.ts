/** The keys of an envelope in canonical order, and whether what stands under them is compared with a column. */
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

/** Where each top-level value of an envelope stands. One instance is used over and over: see topLevelOf. */
class TopLevel {
  private bytes: Buffer = Buffer.alloc(0);
  private readonly starts = new Int32Array(KEYS.length);
  private readonly ends = new Int32Array(KEYS.length);

  /** False unless the bytes are an object with exactly these keys in this order, as canonical JSON has them. */
  read(bytes: Buffer): boolean {
    this.bytes = bytes;
    let at = 0;
    for (let key = 0; key < KEYS.length; key++) {
      const opener = OPENERS[key]!;
      for (let i = 0; i < opener.length; i++) if (bytes[at + i] !== opener[i]) return false;
      at += opener.length;
      this.starts[key] = at;
      at = endOfValue(bytes, at);
      if (at < 0) return false;
      this.ends[key] = at;
    }
    return at === bytes.length - 1 && bytes[at] === CLOSE_OBJECT;
  }

  isString(key: EnvelopeKey, value: Buffer): boolean {
    const start = this.starts[INDEX[key]]!;
    const length = this.ends[INDEX[key]]! - start;
    if (isPlain(value)) {
      if (length !== value.length + 2 || this.bytes[start] !== QUOTE) return false;
      for (let i = 0; i < value.length; i++) if (this.bytes[start + 1 + i] !== value[i]) return false;
      return true;
    }
    return this.bytes.toString('utf8', start, start + length) === JSON.stringify(value.toString());
  }

  isNumber(key: EnvelopeKey, value: number): boolean {
    return this.bytes.toString('latin1', this.starts[INDEX[key]], this.ends[INDEX[key]]) === String(value);
  }
}

/** Nothing that JSON would have to escape. */
const isPlain = (value: Buffer): boolean => {
  for (let i = 0; i < value.length; i++) {
    const byte = value[i]!;
    if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) return false;
  }
  return true;
};

/** The index after the value that begins at `at`; −1 when it does not end. Brackets in strings are no brackets. */
const endOfValue = (bytes: Buffer, at: number): number => {
  let depth = 0;
  for (let i = at; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === QUOTE) {
      i = endOfString(bytes, i);
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
const endOfString = (bytes: Buffer, at: number): number => {
  for (let i = at + 1; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === QUOTE) return i;
    if (byte === BACKSLASH) i++;
  }
  return -1;
};

const shared = new TopLevel();

/**
 * The top level of an envelope without parsing it, which would cost more than all of its hashes; undefined when it is no
 * canonical envelope. The answer is valid until the next call.
 */
export const topLevelOf = (envelope: Buffer): Pick<TopLevel, 'isString' | 'isNumber'> | undefined =>
  shared.read(envelope) ? shared : undefined;
