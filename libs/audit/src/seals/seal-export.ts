import { parseSeal } from '../proof/seal.js';
import { SinkMovedError, type SealSink } from './seal-sink.js';
import type { SealStore } from './seal-store.js';

/** The sink and the database tell different stories: nothing is sealed on top of that. */
export class SinkDisagreesError extends Error {
  override readonly name = 'SinkDisagreesError';
}

const PAGE = 500;

/**
 * Brings the sink up to the database: seals go there after they were committed, and what a crash kept back goes there later, so
 * that there is no gap and no repetition. A sink that knows more than the database is evidence, and is left as it is.
 */
export class SealExport {
  /** The last seal that the sink is known to hold. */
  private at: number | undefined;

  constructor(
    private readonly store: SealStore,
    private readonly sink: SealSink,
    private readonly epoch: number,
  ) {}

  async run(): Promise<void> {
    try {
      this.at ??= await this.find();
      const begun = this.at;
      for (;;) {
        const rows = await this.store.seals(this.at, PAGE);
        await this.sink.append(rows.map((row) => row.line));
        this.at = rows.at(-1)?.seq ?? this.at;
        if (rows.length < PAGE) break;
      }
      if (this.at !== begun || begun !== (await this.store.head()).exportedSeq) {
        await this.store.exported(this.at, this.epoch);
      }
    } catch (error) {
      this.at = undefined;
      if (!(error instanceof SinkMovedError)) throw error;
      throw new Error(`the file of the seals was changed by somebody else: ${error.message}`, { cause: error });
    }
  }

  /** The last seal that the sink holds, after it was compared with the database's. */
  private async find(): Promise<number> {
    const line = await this.sink.repair();
    if (line === undefined) return 0;
    const seal = parseSeal(line);
    if (seal === undefined) throw new SinkDisagreesError(`the last line of ${this.sink.where} is no seal`);
    const row = await this.store.seal(seal.seq);
    if (row?.line === line) return seal.seq;
    const what =
      row === undefined ? `holds seal ${seal.seq}, which the database lacks` : `has another seal ${seal.seq}`;
    throw new SinkDisagreesError(
      `${this.sink.where} ${what}: the log was cut or rewritten, or the database is an older backup (docs/runbooks/audit.md)`,
    );
  }
}
