import { createHash } from 'node:crypto';
import type pg from 'pg';
import { canonicalJson, categoryOf, isoTime, failpoint } from '#kernel';
import { position, type Position } from '../../port.js';
import type { Envelope } from './rows.js';

interface ChainRow {
  readonly position: string;
  readonly stream: string;
  readonly version: string;
  readonly id: string;
  readonly category: string;
  readonly type: string;
  readonly account: string;
  readonly schema_version: number;
  readonly recorded_ms: string;
  readonly envelope: string;
  readonly content_hash: Buffer;
  readonly chain_hash: Buffer;
}

export type ChainReport =
  /** Everything up to `through` is as it was written; `chainHash` (hex) stands for all of it. */
  | { readonly kind: 'intact'; readonly through: Position; readonly chainHash: string }
  /** The first event that is not as it was written; the last report there is. */
  | { readonly kind: 'broken'; readonly position: Position; readonly reason: string };

const GENESIS = createHash('sha256').update('drover event log').digest();
const PAGE = 2_000;
const COLUMNS = `position, stream, version, id, category, type, account, schema_version, recorded_ms, envelope, content_hash, chain_hash`;

/** Queries may come from a pool or a client. All pages and the head are read in whatever state they are then. */
export type Queryable = Pick<pg.Pool, 'query'>;

/**
 * Recomputes the chain over the stored bytes after a position (default: all of it) and reports after each page, so that
 * a long check shows progress. Starting later than at the beginning trusts the chain hash stored at that position.
 */
export async function* verifyChain(db: Queryable, after: Position = position(0)): AsyncGenerator<ChainReport> {
  let cursor = BigInt(after);
  let chain = await chainAt(db, cursor);
  if (chain === undefined) return yield broken(cursor, 'there is no event at this position');
  let recordedMs = 0;
  for (;;) {
    // The head is read first: events appended meanwhile lie beyond it and are no gap.
    const head = await db.query<{ position: string; chain_hash: Buffer }>(
      'SELECT position, chain_hash FROM es.log_head',
    );
    const { rows } = await db.query<ChainRow>(
      `SELECT ${COLUMNS} FROM es.events WHERE position > $1::bigint ORDER BY position LIMIT ${PAGE}`,
      [String(cursor)],
    );
    for (const row of rows) {
      const problem = checkRow(row, cursor + 1n, recordedMs) ?? checkHashes(row, chain);
      if (problem !== undefined) return yield broken(cursor + 1n, problem);
      cursor += 1n;
      chain = row.chain_hash;
      recordedMs = Number(row.recorded_ms);
      if (cursor === BigInt(head.rows[0]!.position) && !head.rows[0]!.chain_hash.equals(chain)) {
        return yield broken(cursor, 'the head of the log has another chain hash than its last event');
      }
    }
    if (rows.length < PAGE && cursor < BigInt(head.rows[0]!.position))
      return yield broken(cursor + 1n, 'the event is missing');
    await failpoint('chain.page_verified');
    yield { kind: 'intact', through: position(cursor), chainHash: chain.toString('hex') };
    if (rows.length < PAGE) return;
  }
}

const chainAt = async (db: Queryable, at: bigint): Promise<Buffer | undefined> => {
  if (at === 0n) return GENESIS;
  const { rows } = await db.query<{ chain_hash: Buffer }>(
    'SELECT chain_hash FROM es.events WHERE position = $1::bigint',
    [String(at)],
  );
  return rows[0]?.chain_hash;
};

/** The columns must say what the hashed envelope says, or a query over them could be lied to. */
const checkRow = (row: ChainRow, expected: bigint, previousMs: number): string | undefined => {
  if (BigInt(row.position) !== expected) return 'the event is missing';
  if (Number(row.recorded_ms) < previousMs) return 'its time of recording lies before that of the event before it';
  let envelope: Envelope;
  try {
    envelope = JSON.parse(row.envelope) as Envelope;
  } catch {
    return 'its envelope is not JSON';
  }
  const differs = Object.entries({
    id: [row.id, envelope.id],
    stream: [row.stream, envelope.stream],
    category: [row.category, categoryOf(envelope.stream)],
    version: [Number(row.version), envelope.version],
    type: [row.type, envelope.type],
    account: [row.account, envelope.account],
    schema_version: [row.schema_version, envelope.schemaVersion],
  }).find(([, [column, hashed]]) => column !== hashed);
  if (differs !== undefined) return `its column ${differs[0]} differs from its envelope`;
  return canonicalJson(envelope) === row.envelope ? undefined : 'its envelope is not canonical JSON';
};

const checkHashes = (row: ChainRow, previous: Buffer): string | undefined => {
  const content = createHash('sha256').update(row.envelope).digest();
  if (!content.equals(row.content_hash)) return 'its content hash does not match its envelope';
  const number = Buffer.alloc(8);
  number.writeBigInt64BE(BigInt(row.position));
  const step = createHash('sha256')
    .update(previous)
    .update(number)
    .update(isoTime(Number(row.recorded_ms)))
    .update(content)
    .digest();
  return step.equals(row.chain_hash) ? undefined : 'its chain hash does not follow from the event before it';
};

const broken = (at: bigint, reason: string): ChainReport => ({ kind: 'broken', position: position(at), reason });
