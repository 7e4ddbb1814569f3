import type { Pool } from 'pg';
import { isoTime } from '#kernel';
import type { StoredEvent, StoredLog } from './stored-log.js';

interface Row {
  readonly position: string;
  readonly recorded_ms: string;
  readonly id: string;
  readonly account: string;
  readonly envelope: string;
  readonly chain_hash: Buffer;
}

const COLUMNS = 'position, recorded_ms, id, account, envelope, chain_hash';
const PAGE_BYTES = 4 * 1024 * 1024;

/** The first event always comes, however large it is; after it the page ends before it grows past its bound. */
const READ = `
  SELECT ${COLUMNS} FROM (
    SELECT ${COLUMNS}, sum(octet_length(envelope)) OVER (ORDER BY position) AS bytes, row_number() OVER (ORDER BY position) AS n
      FROM (SELECT ${COLUMNS} FROM es.events WHERE position > $1::bigint AND position <= $2::bigint
             ORDER BY position LIMIT $3::bigint) page
  ) sized WHERE n = 1 OR bytes <= ${PAGE_BYTES} ORDER BY position`;
const MAX_BIGINT = 2n ** 63n - 1n;

/** The rows of es.events as they stand. Beyond the head there is nothing: appending moves it in the same transaction. */
export class PostgresStoredLog implements StoredLog {
  readonly nativeChain = true;

  constructor(private readonly pool: Pick<Pool, 'query'>) {}

  async head(): Promise<bigint> {
    const { rows } = await this.pool.query<{ position: string }>('SELECT position FROM es.log_head');
    return BigInt(rows[0]?.position ?? 0);
  }

  async read(after: bigint, limit: number, through = MAX_BIGINT): Promise<readonly StoredEvent[]> {
    const { rows } = await this.pool.query<Row>(READ, [String(after), String(through), limit]);
    return rows.map(stored);
  }

  readonly find = async (eventId: string): Promise<StoredEvent | undefined> => {
    const { rows } = await this.pool.query<Row>(`SELECT ${COLUMNS} FROM es.events WHERE id = $1::uuid`, [eventId]);
    return rows[0] && stored(rows[0]);
  };
}

const stored = (row: Row): StoredEvent => ({
  position: BigInt(row.position),
  recordedAt: isoTime(Number(row.recorded_ms)),
  id: row.id,
  account: row.account,
  envelope: row.envelope,
  chain: row.chain_hash.toString('hex'),
});
