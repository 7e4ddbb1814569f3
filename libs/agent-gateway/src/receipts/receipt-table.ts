import type pg from 'pg';

/** What one node has said of one section. */
export interface SharedReceipt {
  readonly instanceId: string;
  readonly section: string;
  readonly applied: bigint | null;
  /** Null while it has no stream. */
  readonly sent: bigint | null;
  readonly problems: readonly string[];
  /** The node or its section is no more. */
  readonly gone?: boolean;
}

export type ReceiptKey = Pick<SharedReceipt, 'instanceId' | 'section'>;

/** A leader of a later term writes. */
export class DeposedError extends Error {
  override readonly name = 'DeposedError';
  constructor(term: number) {
    super(`a process that leads since term ${term} writes receipts`);
  }
}

/** Receipts where all processes on one database find them. Whoever writes does it in its term; with a later one there, DeposedError. */
export interface ReceiptTable {
  /** This term begins. Another process had the streams until now: whoever has not come here has none. */
  begin(term: number): Promise<void>;
  write(term: number, receipts: readonly SharedReceipt[]): Promise<void>;
  /** Sections that stand in the table, by instance. */
  sections(): Promise<ReadonlyMap<string, readonly string[]>>;
  drop(term: number, keys: readonly ReceiptKey[]): Promise<void>;
  /** What was written after a change, in the order of changes. */
  after(change: bigint): Promise<{ readonly receipts: readonly SharedReceipt[]; readonly through: bigint }>;
}

const BEGIN = `UPDATE gateway.receipts_term SET term = $1 WHERE term <= $1`;
/** Waits for a leader that begins, and finds its term; a leader that begins waits for a write that has got this far. */
const IN_TERM = `WITH mine AS (SELECT term FROM gateway.receipts_term WHERE term = $1 FOR SHARE)`;
const NEWS = `change = nextval('gateway.receipt_changes')`;
const WRITE = `${IN_TERM}, written AS (
  INSERT INTO gateway.receipts (instance_id, section, applied, sent, problems)
  SELECT r->>'i', r->>'s', (r->>'a')::bigint, (r->>'t')::bigint, ARRAY(SELECT jsonb_array_elements_text(r->'p'))
  FROM mine, jsonb_array_elements($2::jsonb) r
  ON CONFLICT (instance_id, section) DO UPDATE SET applied = excluded.applied, sent = excluded.sent,
    problems = excluded.problems, gone_at = NULL, ${NEWS})
  SELECT FROM mine`;
const FORGET = `${IN_TERM}, forgotten AS (
  UPDATE gateway.receipts SET sent = NULL, ${NEWS} FROM mine WHERE sent IS NOT NULL)
  SELECT FROM mine`;
const DROP = `${IN_TERM}, ended AS (
  DELETE FROM gateway.receipts USING mine WHERE gone_at < now() - interval '1 hour'), dropped AS (
  UPDATE gateway.receipts r SET applied = NULL, sent = NULL, problems = '{}', gone_at = now(), ${NEWS}
  FROM mine, jsonb_array_elements($2::jsonb) k
  WHERE r.instance_id = k->>'i' AND r.section = k->>'s' AND r.gone_at IS NULL)
  SELECT FROM mine`;
const SECTIONS = `SELECT instance_id, array_agg(section) AS sections FROM gateway.receipts
  WHERE gone_at IS NULL GROUP BY instance_id ORDER BY instance_id`;
const AFTER = `SELECT instance_id, section, applied, sent, problems, change, gone_at IS NOT NULL AS gone
  FROM gateway.receipts WHERE change > $1 ORDER BY change LIMIT 5000`;

interface Row {
  readonly instance_id: string;
  readonly section: string;
  readonly applied: string | null;
  readonly sent: string | null;
  readonly problems: string[];
  readonly change: string;
  readonly gone: boolean;
}
const big = (text: string | null): bigint | null => (text === null ? null : BigInt(text));

export const postgresReceipts = (db: Pick<pg.Pool, 'query'>): ReceiptTable => {
  const inTerm = async (term: number, query: string, ...more: readonly unknown[]): Promise<void> => {
    const { rowCount } = await db.query(query, [term, ...more.map((value) => JSON.stringify(value))]);
    if (rowCount !== 1) throw new DeposedError(term);
  };
  return {
    begin: async (term) => {
      await inTerm(term, BEGIN);
      // After that, so that it sees what a write of the term before has left that was under way.
      await inTerm(term, FORGET);
    },
    write: (term, receipts) => {
      const rows = receipts.map((r) => ({
        i: r.instanceId,
        s: r.section,
        a: r.applied === null ? null : String(r.applied),
        t: r.sent === null ? null : String(r.sent),
        p: r.problems,
      }));
      return inTerm(term, WRITE, rows);
    },
    sections: async () => {
      const { rows } = await db.query<{ instance_id: string; sections: string[] }>(SECTIONS);
      return new Map(rows.map((row) => [row.instance_id, row.sections]));
    },
    drop: (term, keys) => {
      const rows = keys.map(({ instanceId, section }) => ({ i: instanceId, s: section }));
      return inTerm(term, DROP, rows);
    },
    after: async (change) => {
      const { rows } = await db.query<Row>(AFTER, [String(change)]);
      const receipts = rows.map(({ instance_id: instanceId, section, applied, sent, problems, gone }) => ({
        ...{ instanceId, section, problems, applied: big(applied), sent: big(sent), gone },
      }));
      return { receipts, through: BigInt(rows.at(-1)?.change ?? change) };
    },
  };
};
