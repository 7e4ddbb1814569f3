import type pg from 'pg';
import type { EndedRow, KeyRow, SecretRow, SecretRows } from './secret-rows.js';

const FOREIGN_KEY_VIOLATION = '23503';

interface SubjectRow {
  readonly key_id: string;
  readonly wrapped: Buffer | null;
  readonly wrapped_by: string | null;
  readonly ended_ms: string | null;
  readonly shredded_key_id: string | null;
  readonly shredded_names: readonly string[];
}

const COLUMNS = `key_id, wrapped, wrapped_by, trunc(extract(epoch FROM ended_at) * 1000) AS ended_ms, shredded_key_id, shredded_names`;

const subjectOf = (row: SubjectRow): KeyRow | EndedRow =>
  row.wrapped === null
    ? { kind: 'ended', atMs: Number(row.ended_ms), keyId: row.shredded_key_id, names: row.shredded_names }
    : { kind: 'key', keyId: row.key_id, wrapped: row.wrapped, wrappedBy: row.wrapped_by };

/** Tables access.subject_keys and access.secrets (migrations 0200, 0203). Single statements only, so any pool or client will do. */
export class PostgresSecretRows implements SecretRows {
  constructor(private readonly db: Pick<pg.Pool, 'query'>) {}

  async key(subject: string): Promise<KeyRow | EndedRow | undefined> {
    const { rows } = await this.db.query<SubjectRow>(`SELECT ${COLUMNS} FROM access.subject_keys WHERE subject = $1`, [
      subject,
    ]);
    return rows[0] && subjectOf(rows[0]);
  }

  async addKey(subject: string, key: KeyRow): Promise<KeyRow | EndedRow | 'stale'> {
    // A database that nobody has claimed yet (tests) has no identity, and takes any key.
    await this.db.query(
      `INSERT INTO access.subject_keys (subject, key_id, wrapped, wrapped_by) SELECT $1, $2, $3, $4
        WHERE EXISTS (SELECT FROM processing.identity WHERE name IN ('master_key', 'master_key_next') AND fingerprint = $4)
           OR NOT EXISTS (SELECT FROM processing.identity WHERE name = 'master_key')
           ON CONFLICT (subject) DO NOTHING`,
      [subject, key.keyId, Buffer.from(key.wrapped), key.wrappedBy],
    );
    // Rows of subjects are never deleted: whoever was first, something is there.
    return (await this.key(subject)) ?? 'stale';
  }

  async validKey(): Promise<string | undefined> {
    const { rows } = await this.db.query<{ fingerprint: string }>(
      `SELECT fingerprint FROM processing.identity WHERE name = 'master_key'`,
    );
    return rows[0]?.fingerprint;
  }

  async put(row: SecretRow): Promise<'stored' | 'shredded'> {
    try {
      await this.db.query(
        `INSERT INTO access.secrets (subject, name, key_id, sealed) VALUES ($1, $2, $3, $4)
         ON CONFLICT (subject, name) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed`,
        [row.subject, row.name, row.keyId, Buffer.from(row.sealed)],
      );
      return 'stored';
    } catch (error) {
      if ((error as { code?: string }).code === FOREIGN_KEY_VIOLATION) return 'shredded';
      throw error;
    }
  }

  async get(subject: string, name: string): Promise<{ row: SecretRow; key: KeyRow } | undefined> {
    const { rows } = await this.db.query<{
      key_id: string;
      wrapped: Buffer;
      wrapped_by: string | null;
      sealed: Buffer;
    }>(
      `SELECT k.key_id, k.wrapped, k.wrapped_by, s.sealed FROM access.secrets s
       JOIN access.subject_keys k ON k.subject = s.subject AND k.key_id = s.key_id
       WHERE s.subject = $1 AND s.name = $2 AND k.wrapped IS NOT NULL`,
      [subject, name],
    );
    const found = rows[0];
    if (found === undefined) return undefined;
    return {
      row: { subject, name, keyId: found.key_id, sealed: found.sealed },
      key: { kind: 'key', keyId: found.key_id, wrapped: found.wrapped, wrappedBy: found.wrapped_by },
    };
  }

  async end(subject: string): Promise<EndedRow> {
    const { rows } = await this.db.query<SubjectRow>(`SELECT ${COLUMNS} FROM access.end_subject($1)`, [subject]);
    return subjectOf(rows[0]!) as EndedRow;
  }
}
