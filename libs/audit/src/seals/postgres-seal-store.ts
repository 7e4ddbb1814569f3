import type { Pool } from 'pg';
import { canonicalJson } from '#kernel';
import { FencedError } from '#processing';
import { parseKeyRecord, type KeyRecord } from '../proof/keys.js';
import { sealLine } from '../proof/seal.js';
import { placeIn, type NewSeal, type SealHead, type SealRow, type SealStore } from './seal-store.js';

interface Row {
  readonly seq: string;
  readonly from_position: string;
  readonly to_position: string;
  readonly seal: string;
}

const SEAL = 'seq, from_position, to_position, seal';
const sealRow = (row: Row): SealRow => ({
  seq: Number(row.seq),
  from: BigInt(row.from_position),
  to: BigInt(row.to_position),
  line: row.seal,
});

/** Tables of migration 0400. Single statements only: each finds audit.head as it expects it, or does nothing. */
export class PostgresSealStore implements SealStore {
  constructor(private readonly pool: Pick<Pool, 'query'>) {}

  async head(): Promise<SealHead> {
    const { rows } = await this.pool.query<
      Record<'epoch' | 'seal_seq' | 'key_seq' | 'exported_seq' | 'wanted', string>
    >('SELECT epoch, seal_seq, key_seq, exported_seq, wanted FROM audit.head');
    const row = rows[0]!;
    return {
      epoch: Number(row.epoch),
      sealSeq: Number(row.seal_seq),
      keySeq: Number(row.key_seq),
      exportedSeq: Number(row.exported_seq),
      wanted: BigInt(row.wanted),
    };
  }

  async claim(epoch: number): Promise<void> {
    const { rowCount } = await this.pool.query('UPDATE audit.head SET epoch = $1 WHERE epoch <= $1', [epoch]);
    if (rowCount !== 1) throw fenced(epoch);
  }

  async addSeal({ seal, leaves, places }: NewSeal, keySeq: number, epoch: number): Promise<'added' | 'moved'> {
    const { rowCount } = await this.pool.query(
      `WITH head AS (
         UPDATE audit.head SET seal_seq = $1 WHERE epoch = $2 AND seal_seq = $1 - 1 AND key_seq = $3 RETURNING 1)
       INSERT INTO audit.seals (seq, from_position, to_position, seal, leaves, places)
         SELECT $1, $4::bigint, $5::bigint, $6, $7, $8 FROM head`,
      [seal.seq, epoch, keySeq, seal.from, seal.to, sealLine(seal), Buffer.from(leaves), places && Buffer.from(places)],
    );
    if (rowCount === 1) return 'added';
    await this.mustLead(epoch);
    return 'moved';
  }

  async exported(seq: number, epoch: number): Promise<void> {
    const { rowCount } = await this.pool.query('UPDATE audit.head SET exported_seq = $1 WHERE epoch = $2', [
      seq,
      epoch,
    ]);
    if (rowCount !== 1) throw fenced(epoch);
  }

  async want(position: bigint): Promise<void> {
    await this.pool.query('UPDATE audit.head SET wanted = $1::bigint WHERE wanted < $1::bigint', [String(position)]);
  }

  async seal(seq: number): Promise<SealRow | undefined> {
    const { rows } = await this.pool.query<Row>(`SELECT ${SEAL} FROM audit.seals WHERE seq = $1`, [seq]);
    return rows[0] && sealRow(rows[0]);
  }

  async seals(after: number, limit: number): Promise<readonly SealRow[]> {
    const { rows } = await this.pool.query<Row>(
      `SELECT ${SEAL} FROM audit.seals WHERE seq > $1 ORDER BY seq LIMIT $2`,
      [after, limit],
    );
    return rows.map(sealRow);
  }

  async sealCovering(position: bigint): Promise<SealRow | undefined> {
    const { rows } = await this.pool.query<Row>(
      `SELECT ${SEAL} FROM audit.seals WHERE to_position >= $1::bigint ORDER BY to_position LIMIT 1`,
      [String(position)],
    );
    return rows[0] && sealRow(rows[0]);
  }

  async evidence(seq: number) {
    const { rows } = await this.pool.query<{ leaves: Buffer; places: Buffer | null }>(
      'SELECT leaves, places FROM audit.seals WHERE seq = $1',
      [seq],
    );
    return rows[0] && { leaves: rows[0].leaves, places: rows[0].places ?? undefined };
  }

  async findPlace(id: Uint8Array): Promise<bigint | undefined> {
    const { rows } = await this.pool.query<{ places: Buffer }>(
      'SELECT places FROM audit.seals WHERE position($1::bytea IN places) > 0',
      [Buffer.from(id)],
    );
    return rows.map(({ places }) => placeIn(places, id)).find((at) => at !== undefined);
  }

  async keys(): Promise<readonly KeyRecord[]> {
    return (await this.keyTexts()).map((text, index) => {
      const record = parseKeyRecord(text);
      if (record === undefined) throw new Error(`key ${index + 1} of the seals cannot be read: was it altered?`);
      return record;
    });
  }

  async keyTexts(): Promise<readonly string[]> {
    const { rows } = await this.pool.query<{ record: string }>('SELECT record FROM audit.keys ORDER BY seq');
    return rows.map(({ record }) => record);
  }

  async addKey(record: KeyRecord, commandId: string): Promise<'added' | 'moved'> {
    const { rowCount } = await this.pool.query(
      `WITH head AS (
         UPDATE audit.head SET key_seq = $1 WHERE key_seq = $1 - 1 AND seal_seq = $2 RETURNING 1)
       INSERT INTO audit.keys (seq, key_id, command_id, record) SELECT $1, $3, $4, $5 FROM head`,
      [record.seq, record.after_seal, record.key, commandId, canonicalJson(record)],
    );
    return rowCount === 1 ? 'added' : 'moved';
  }

  async keyOfCommand(commandId: string): Promise<KeyRecord | undefined> {
    const { rows } = await this.pool.query<{ record: string }>('SELECT record FROM audit.keys WHERE command_id = $1', [
      commandId,
    ]);
    return rows[0] && parseKeyRecord(rows[0].record);
  }

  private async mustLead(epoch: number): Promise<void> {
    if ((await this.head()).epoch !== epoch) throw fenced(epoch);
  }
}

const fenced = (epoch: number): FencedError => new FencedError(`a later runner than epoch ${epoch} seals the log`);
