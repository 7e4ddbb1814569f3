import type pg from 'pg';
import type { KeyRow, SecretRow, SecretRows } from './secret-rows.js';

const FOREIGN_KEY_VIOLATION = '23503';

/** Tables access.subject_keys and access.secrets (migration 0200). Single statements only, so any pool or client will do. */
export class PostgresSecretRows implements SecretRows {
  constructor(private readonly db: Pick<pg.Pool, 'query'>) {}

  async key(subject: string): Promise<KeyRow | undefined> {
    const { rows } = await this.db.query<{ key_id: string; wrapped: Buffer }>(
      'SELECT key_id, wrapped FROM access.subject_keys WHERE subject = $1',
      [subject],
    );
    return rows[0] && { keyId: rows[0].key_id, wrapped: rows[0].wrapped };
  }

  async addKey(subject: string, key: KeyRow): Promise<KeyRow> {
    for (;;) {
      await this.db.query(
        'INSERT INTO access.subject_keys (subject, key_id, wrapped) VALUES ($1, $2, $3) ON CONFLICT (subject) DO NOTHING',
        [subject, key.keyId, Buffer.from(key.wrapped)],
      );
      // Gone again only if the subject was shredded in between: then the insert is tried anew.
      const stored = await this.key(subject);
      if (stored !== undefined) return stored;
    }
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
    const { rows } = await this.db.query<{ key_id: string; wrapped: Buffer; sealed: Buffer }>(
      `SELECT k.key_id, k.wrapped, s.sealed FROM access.secrets s
       JOIN access.subject_keys k ON k.subject = s.subject AND k.key_id = s.key_id
       WHERE s.subject = $1 AND s.name = $2`,
      [subject, name],
    );
    const found = rows[0];
    if (found === undefined) return undefined;
    return {
      row: { subject, name, keyId: found.key_id, sealed: found.sealed },
      key: { keyId: found.key_id, wrapped: found.wrapped },
    };
  }

  async deleteKey(subject: string): Promise<void> {
    await this.db.query('DELETE FROM access.subject_keys WHERE subject = $1', [subject]);
  }
}
