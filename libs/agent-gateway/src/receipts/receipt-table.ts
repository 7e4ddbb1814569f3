import type pg from 'pg';

/** What one node has said of one section. */
export interface SharedReceipt {
  readonly instanceId: string;
  readonly section: string;
  readonly applied: bigint | null;
  /** Null while it has no stream. */
  readonly sent: bigint | null;
  readonly problems: readonly string[];
}

/** Receipts where all processes on one database find them. */
export interface ReceiptTable {
  write(receipts: readonly SharedReceipt[]): Promise<void>;
  /** Another process had the streams until now: whoever has not come here has none. */
  forgetStreams(): Promise<void>;
  /** What was written after a change, in the order of changes. */
  after(change: bigint): Promise<{ readonly receipts: readonly SharedReceipt[]; readonly through: bigint }>;
}

const WRITE = `INSERT INTO gateway.receipts (instance_id, section, applied, sent, problems)
  SELECT r->>'i', r->>'s', (r->>'a')::bigint, (r->>'t')::bigint, ARRAY(SELECT jsonb_array_elements_text(r->'p'))
  FROM jsonb_array_elements($1::jsonb) r
  ON CONFLICT (instance_id, section) DO UPDATE SET applied = excluded.applied, sent = excluded.sent,
    problems = excluded.problems, change = nextval('gateway.receipt_changes')`;
const FORGET = `UPDATE gateway.receipts SET sent = NULL, change = nextval('gateway.receipt_changes') WHERE sent IS NOT NULL`;
const AFTER = `SELECT instance_id, section, applied, sent, problems, change FROM gateway.receipts WHERE change > $1
  ORDER BY change LIMIT 5000`;

interface Row {
  readonly instance_id: string;
  readonly section: string;
  readonly applied: string | null;
  readonly sent: string | null;
  readonly problems: string[];
  readonly change: string;
}
const big = (text: string | null): bigint | null => (text === null ? null : BigInt(text));

export const postgresReceipts = (db: Pick<pg.Pool, 'query'>): ReceiptTable => ({
  write: async (receipts) => {
    const rows = receipts.map((r) => ({
      i: r.instanceId,
      s: r.section,
      a: r.applied === null ? null : String(r.applied),
      t: r.sent === null ? null : String(r.sent),
      p: r.problems,
    }));
    await db.query(WRITE, [JSON.stringify(rows)]);
  },
  forgetStreams: async () => void (await db.query(FORGET)),
  after: async (change) => {
    const { rows } = await db.query<Row>(AFTER, [String(change)]);
    const receipts = rows.map(({ instance_id: instanceId, section, applied, sent, problems }) => ({
      ...{ instanceId, section, problems, applied: big(applied), sent: big(sent) },
    }));
    return { receipts, through: BigInt(rows.at(-1)?.change ?? change) };
  },
});
