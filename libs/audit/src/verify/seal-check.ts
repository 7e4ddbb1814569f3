import { KeyHistory, parseKeyRecord, type KeyRecord } from '../proof/keys.js';
import { parseSeal, type Seal } from '../proof/seal.js';
import { SealChain } from '../proof/seal-chain.js';
import type { SealSink } from '../seals/seal-sink.js';
import type { SealRow, SealStore } from '../seals/seal-store.js';
import type { Finding, SealedRange } from './findings.js';

export interface SealReport {
  readonly findings: readonly Finding[];
  /** What trusted seals say of the log, in order. A range that no trusted seal covers is absent. */
  readonly ranges: readonly SealedRange[];
  /** The last seal that anybody knows of. */
  readonly last: Seal | undefined;
  readonly keys: readonly KeyRecord[];
  /** Seals in the file; undefined without one. */
  readonly inSink: number | undefined;
}

interface SinkContent {
  readonly seals: ReadonlyMap<number, Seal>;
  readonly lines: ReadonlyMap<number, string>;
  readonly keys: readonly KeyRecord[];
  readonly problems: readonly string[];
}

const PAGE = 1_000;
/** After this many seals, some 25 ms of signatures, the process' other work has its turn. */
const AT_ONCE = 200;

/**
 * Seals, signatures, key history, and the file against the database. `exportsIn`: the epoch in which this
 * process writes the file; while that is the current one, the file must hold all that was exported. Another process' copy, and
 * that of one that has lost the lead and does not know it yet, may end earlier.
 */
export const checkSeals = async (
  store: SealStore,
  sink: SealSink | undefined,
  exportsIn: number | undefined,
): Promise<SealReport> => {
  // In this order nothing that is written meanwhile can look like a difference.
  const { epoch, exportedSeq, sealSeq } = await store.head();
  const outside = sink && (await readSink(sink));
  const [rows, keyTexts] = [await readRows(store), await store.keyTexts()];
  const check = new SealCheck(rows, keyTexts, outside);
  if (outside !== undefined && exportsIn === epoch) check.mustHoldAll(exportedSeq);
  return check.run(sealSeq);
};

const readRows = async (store: SealStore): Promise<Map<number, SealRow>> => {
  const rows = new Map<number, SealRow>();
  for (let after = 0; ;) {
    const page = await store.seals(after, PAGE);
    for (const row of page) rows.set(row.seq, row);
    if (page.length < PAGE) return rows;
    after = page.at(-1)!.seq;
  }
};

const readSink = async (sink: SealSink): Promise<SinkContent> => {
  const seals = new Map<number, Seal>();
  const lines = new Map<number, string>();
  const keys: KeyRecord[] = [];
  const problems: string[] = [];
  let number = 0;
  for await (const line of sink.lines()) {
    number++;
    const seal = parseSeal(line);
    const key = seal === undefined ? parseKeyRecord(line) : undefined;
    if (seal === undefined && key === undefined) problems.push(`line ${number} is neither a seal nor a key`);
    // A repetition says nothing new; another seal of the same number does.
    else if (seal !== undefined && (lines.get(seal.seq) ?? line) !== line)
      problems.push(`line ${number} is another seal ${seal.seq}`);
    else if (seal !== undefined) {
      seals.set(seal.seq, seal);
      lines.set(seal.seq, line);
    } else if (keys.every((known) => known.key !== key!.key)) keys.push(key!);
  }
  return { seals, lines, keys, problems };
};

class SealCheck {
  private readonly findings: Finding[] = [];
  private readonly ranges: SealedRange[] = [];
  private readonly history: KeyHistory;
  private readonly chain: SealChain;
  private exported = 0;
  private position = 0n;
  private last: Seal | undefined;

  constructor(
    private readonly rows: ReadonlyMap<number, SealRow>,
    keyTexts: readonly string[],
    private readonly outside: SinkContent | undefined,
  ) {
    this.history = this.trustedKeys(keyTexts);
    this.chain = new SealChain(this.history);
  }

  mustHoldAll(exportedSeq: number): void {
    this.exported = exportedSeq;
  }

  async run(sealSeq: number): Promise<SealReport> {
    for (const problem of this.outside?.problems ?? []) this.found('sink', `the file of the seals: ${problem}`);
    const numbers = [...this.rows.keys(), ...(this.outside?.seals.keys() ?? []), sealSeq];
    const last = numbers.reduce((a, b) => Math.max(a, b), 0);
    for (let seq = 1; seq <= last; seq++) {
      this.check(seq);
      if (seq % AT_ONCE === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return {
      findings: this.findings,
      ranges: this.ranges,
      last: this.last,
      keys: this.history.records,
      inSink: this.outside?.seals.size,
    };
  }

  private check(seq: number): void {
    const row = this.rows.get(seq);
    const outside = this.outside?.seals.get(seq);
    // The same bytes are read, and their signature is checked, once.
    const isSame = row !== undefined && row.line === this.outside?.lines.get(seq);
    const inside = isSame ? outside : row && parseSeal(row.line);
    const start = inside ?? outside;
    if (start !== undefined) this.position = BigInt(start.from);
    const chainProblem = inside && this.chain.problemOf(inside);
    const insideProblem = insideProblemOf(seq, row, inside, chainProblem);
    const outsideProblem = isSame ? chainProblem : outside && this.chain.problemOf(outside);
    if (insideProblem !== undefined) {
      this.found(
        'seal',
        `${insideProblem}${outside !== undefined && outsideProblem === undefined ? '; the file outside has it' : ''}`,
      );
    }
    if (outsideProblem !== undefined) this.found('sink', `in the file of the seals: ${outsideProblem}`);
    this.compare(seq, row, outside);
    this.trust(seq, insideProblem === undefined ? inside : outsideProblem === undefined ? outside : undefined);
  }

  private compare(seq: number, row: SealRow | undefined, outside: Seal | undefined): void {
    if (outside === undefined) {
      if (seq <= this.exported) this.found('sink', `seal ${seq} is missing from the file of the seals`);
    } else if (row !== undefined && this.outside!.lines.get(seq) !== row.line) {
      this.found('sink', `seal ${seq} in the database differs from the one in the file`);
    }
  }

  private trust(seq: number, seal: Seal | undefined): void {
    if (seal === undefined) {
      const next = this.rows.get(seq + 1);
      return this.chain.skip((next && parseSeal(next.line)) ?? this.outside?.seals.get(seq + 1));
    }
    const before = this.ranges.at(-1);
    const after = before !== undefined && before.seq === seq - 1 ? before.to : BigInt(seal.from) - 1n;
    const { events, root, chain } = seal;
    this.ranges.push({ seq, after, to: BigInt(seal.to), events, root, chain });
    this.chain.accept(seal);
    this.last = seal;
  }

  /** The database's keys when they begin with the file's; else the file's, which whoever has only the database cannot change. */
  private trustedKeys(texts: readonly string[]): KeyHistory {
    const records = texts.map(parseKeyRecord).filter((record) => record !== undefined);
    if (records.length < texts.length) this.found('key', 'a key in the database cannot be read');
    const inside = new KeyHistory(records);
    if (inside.problem !== undefined) this.found('key', inside.problem);
    const outside = this.outside?.keys ?? [];
    const differs = outside.findIndex(
      (record, index) => record.signature !== records[index]?.signature || record.key !== records[index].key,
    );
    if (differs < 0) return inside;
    this.found('key', `key ${differs + 1} in the database differs from the one in the file of the seals`);
    const trusted = new KeyHistory(outside);
    return trusted.problem === undefined ? trusted : inside;
  }

  private found(kind: Finding['kind'], reason: string): void {
    this.findings.push({ kind, position: this.position, reason });
  }
}

const insideProblemOf = (
  seq: number,
  row: SealRow | undefined,
  seal: Seal | undefined,
  chainProblem: string | undefined,
): string | undefined => {
  if (row === undefined) return `seal ${seq} is missing from the database`;
  if (seal === undefined) return `seal ${seq} in the database is no seal`;
  if (row.seq !== seal.seq || row.from !== BigInt(seal.from) || row.to !== BigInt(seal.to)) {
    return `the columns of seal ${seq} differ from what is signed`;
  }
  return chainProblem && `in the database: ${chainProblem}`;
};
