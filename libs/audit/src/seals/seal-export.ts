import { canonicalJson, failpoint } from '#kernel';
import { parseKeyRecord, type KeyRecord } from '../proof/keys.js';
import { parseSeal, type Seal } from '../proof/seal.js';
import { SinkMovedError, type SealSink } from './seal-sink.js';
import type { SealRow, SealStore } from './seal-store.js';

/** The sink and the database tell different stories: nothing is sealed on top of that. */
export class SinkDisagreesError extends Error {
  override readonly name = 'SinkDisagreesError';
}

const PAGE = 500;

interface SinkEnd {
  /** The last seal that the sink is known to hold; 0: none. */
  readonly seq: number;
  /** The last key whose record it holds. */
  readonly keySeq: number;
}

/**
 * Brings the sink up to the database: seals go there after they were committed, and what a crash kept back goes there later, so
 * that there is no gap and no repetition. A key's record stands before the first seal that it signed. A sink that knows more
 * than the database is evidence, and is left as it is.
 */
export class SealExport {
  private at: SinkEnd | undefined;

  constructor(
    private readonly store: SealStore,
    private readonly sink: SealSink,
    private readonly epoch: number,
  ) {}

  async run(): Promise<void> {
    try {
      const keys = await this.store.keys();
      let at = (this.at ??= await this.find(keys));
      for (;;) {
        const rows = await this.store.seals(at.seq, PAGE);
        const { lines, end } = linesOf(rows, keys, at);
        await this.sink.append(lines);
        this.at = at = end;
        if (rows.length < PAGE) break;
      }
      await failpoint('seal.exported');
      if (at.seq !== (await this.store.head()).exportedSeq) await this.store.exported(at.seq, this.epoch);
    } catch (error) {
      this.at = undefined;
      if (!(error instanceof SinkMovedError)) throw error;
      throw new Error(`the file of the seals was changed by somebody else: ${error.message}`, { cause: error });
    }
  }

  /** The end of what the sink holds, after it was compared with the database. */
  private async find(keys: readonly KeyRecord[]): Promise<SinkEnd> {
    const line = await this.sink.repair((last) => parseKeyRecord(last) !== undefined);
    if (line === undefined) return { seq: 0, keySeq: 0 };
    const seal = parseSeal(line);
    if (seal === undefined) throw new SinkDisagreesError(`the last line of ${this.sink.where} is no seal`);
    const row = await this.store.seal(seal.seq);
    if (row?.line === line) return { seq: seal.seq, keySeq: keySeqOf(seal, keys) };
    const what =
      row === undefined ? `holds seal ${seal.seq}, which the database lacks` : `has another seal ${seal.seq}`;
    throw new SinkDisagreesError(
      `${this.sink.where} ${what}: the log was cut or rewritten, or the database is an older backup (docs/runbooks/audit.md)`,
    );
  }
}

const linesOf = (rows: readonly SealRow[], keys: readonly KeyRecord[], from: SinkEnd) => {
  const lines: string[] = [];
  let end = from;
  for (const row of rows) {
    const seal = parseSeal(row.line);
    if (seal === undefined) throw new Error(`seal ${row.seq} in the database is no seal: was it altered?`);
    const keySeq = keySeqOf(seal, keys);
    lines.push(...keys.filter((key) => key.seq > end.keySeq && key.seq <= keySeq).map((key) => canonicalJson(key)));
    lines.push(row.line);
    end = { seq: row.seq, keySeq };
  }
  return { lines, end };
};

const keySeqOf = (seal: Seal, keys: readonly KeyRecord[]): number => {
  const record = keys.find((key) => key.key === seal.key);
  if (record === undefined) throw new Error(`seal ${seal.seq} names a key that is not in the database`);
  return record.seq;
};
