import type pg from 'pg';
import { position, type Position } from '../../port.js';
import { copyRows } from './verify-chain-copy.js';
import { CHAIN_COLUMNS } from './verify-chain-reader.js';
import { GENESIS_POINT, RowCheck, type ChainPoint } from './verify-chain-row.js';

export type ChainReport =
  /** Everything up to `through` is as it was written; `chainHash` (hex) stands for all of it. */
  | { readonly kind: 'intact'; readonly through: Position; readonly chainHash: string }
  /** The first event that is not as it was written; the last report there is. */
  | { readonly kind: 'broken'; readonly position: Position; readonly reason: string };

/** Queries may come from a pool or a client. */
export type Queryable = Pick<pg.Pool, 'query'>;

export interface ChainRange {
  /** What the first row must follow; trusted. */
  readonly after: ChainPoint;
  readonly through: bigint;
  /** Whether every envelope must be shown to be canonical JSON throughout: costs twice the time. */
  readonly deep: boolean;
}

export type RangeOutcome =
  | { readonly kind: 'intact'; readonly end: ChainPoint }
  | { readonly kind: 'broken'; readonly position: bigint; readonly reason: string; readonly end: ChainPoint };

/**
 * Checks the rows of a range, each against the one before it, in one pass over a stream of stored bytes. `seen` is told of
 * every row that is still in its place, a broken one among them: position ‖ time ‖ content, valid during the call only.
 */
export const checkRange = async (
  client: Pick<pg.Client, 'query'>,
  range: ChainRange,
  seen: (entry: Uint8Array) => void = () => undefined,
): Promise<RangeOutcome> => {
  const { after, through, deep } = range;
  const rows = new RowCheck(after, deep);
  let problem: string | undefined;
  const query = `SELECT ${CHAIN_COLUMNS} FROM es.events WHERE position > ${after.position} AND position <= ${through} ORDER BY position`;
  await copyRows(client, query, (tuple) => {
    if (problem !== undefined) return;
    if (!rows.isNext(tuple)) problem = MISSING;
    else {
      problem = rows.problem();
      seen(rows.entry);
    }
  });
  const end = rows.point;
  if (problem === undefined && end.position < through) problem = MISSING;
  if (problem === undefined) return { kind: 'intact', end };
  return { kind: 'broken', position: end.position + 1n, reason: problem, end };
};

const MISSING = 'the event is missing';

export interface LogHead {
  readonly position: bigint;
  readonly chainHash: Buffer;
  readonly recordedMs: number;
}

export const readLogHead = async (db: Queryable): Promise<LogHead> => {
  const { rows } = await db.query<{ position: string; chain_hash: Buffer; recorded_ms: string }>(
    'SELECT position, chain_hash, recorded_ms FROM es.log_head',
  );
  const head = rows[0];
  if (head === undefined) throw new Error('es.log_head is empty: the log has lost its head');
  return {
    position: BigInt(head.position),
    chainHash: head.chain_hash,
    recordedMs: Number(head.recorded_ms),
  };
};

/** What is stored of an event, to be followed by a check that starts after it; undefined when there is none. */
export const storedPoint = async (db: Queryable, at: bigint): Promise<ChainPoint | undefined> => {
  if (at === 0n) return GENESIS_POINT;
  const { rows } = await db.query<{ chain_hash: Buffer; recorded_ms: string }>(
    'SELECT chain_hash, recorded_ms FROM es.events WHERE position = $1::bigint',
    [String(at)],
  );
  const row = rows[0];
  return row && { position: at, chainHash: row.chain_hash, recordedMs: Number(row.recorded_ms) };
};

/** The head must say what the last event says; undefined when it does. */
export const headProblem = (head: LogHead, end: ChainPoint): string | undefined => {
  if (!head.chainHash.equals(end.chainHash)) return 'the head of the log has another chain hash than its last event';
  return head.recordedMs === end.recordedMs ? undefined : 'the head of the log has another time than its last event';
};

const PAGE = 10_000n;

/**
 * Recomputes the chain over the stored bytes after a position (default: all of it) up to the head as it is now, and reports
 * after each page, so that a long check shows progress. Starting later than at the beginning trusts the chain hash stored
 * at that position.
 */
export async function* verifyChain(pool: pg.Pool, after: Position = position(0)): AsyncGenerator<ChainReport> {
  const client = await pool.connect();
  let whole = false;
  try {
    yield* verifyPages(client, after);
    whole = true;
  } finally {
    // A check that its caller gave up may have left the connection in the middle of an answer.
    client.release(!whole);
  }
}

async function* verifyPages(client: pg.PoolClient, after: Position): AsyncGenerator<ChainReport> {
  let point = await storedPoint(client, after);
  if (point === undefined) return yield broken(after, 'there is no event at this position');
  // Read first: events appended meanwhile lie beyond it.
  const head = await readLogHead(client);
  for (;;) {
    const end: bigint = head.position < point.position + PAGE ? head.position : point.position + PAGE;
    const outcome: RangeOutcome = await checkRange(client, { after: point, through: end, deep: true });
    if (outcome.kind === 'broken') return yield broken(outcome.position, outcome.reason);
    point = outcome.end;
    if (point.position === head.position) {
      const problem = headProblem(head, point) ?? (await beyondProblem(client));
      if (problem !== undefined) return yield broken(point.position, problem);
    }
    yield {
      kind: 'intact',
      through: position(point.position),
      chainHash: Buffer.from(point.chainHash).toString('hex'),
    };
    if (point.position >= head.position) return;
  }
}

/** An event beyond the head was not appended by es.append, or the head was put back. */
export const beyondProblem = async (db: Queryable): Promise<string | undefined> => {
  const { rows } = await db.query<{ position: string }>(
    'SELECT e.position FROM es.events e, es.log_head h WHERE e.position > h.position ORDER BY e.position LIMIT 1',
  );
  return rows[0] && `the head of the log lies before event ${rows[0].position}`;
};

const broken = (at: bigint, reason: string): ChainReport => ({ kind: 'broken', position: position(at), reason });
