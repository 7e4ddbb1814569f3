import type pg from 'pg';
import type { KeyRow } from './secret-rows.js';

export interface WrappedKey extends KeyRow {
  readonly subject: string;
}

/** What the database knows of the platform's master keys. */
export interface KeyState {
  readonly current: string | undefined;
  /** While a rotation is under way. */
  readonly next: string | undefined;
  /** Data keys that `next` does not wrap yet. */
  readonly left: number;
  /** Whose request began the newest rotation; kept after its end. */
  readonly request: string | undefined;
}

const LEFT = `wrapped IS NOT NULL AND wrapped_by IS DISTINCT FROM`;

/** Tables access.subject_keys and access.master_key_holders, and processing.identity (migrations 0102, 0200, 0411). */
export class RotationRows {
  constructor(private readonly db: Pick<pg.Pool, 'query'>) {}

  async state(): Promise<KeyState> {
    const { rows } = await this.db.query<Record<'current' | 'next' | 'request', string | null> & { left: string }>(
      `WITH keys AS (
         SELECT max(fingerprint) FILTER (WHERE name = 'master_key') AS current,
                max(fingerprint) FILTER (WHERE name = 'master_key_next') AS next,
                max(fingerprint) FILTER (WHERE name = 'master_key_request') AS request FROM processing.identity)
       SELECT current, next, request, CASE WHEN next IS NULL THEN 0
                ELSE (SELECT count(*) FROM access.subject_keys WHERE ${LEFT} next) END AS left FROM keys`,
    );
    const { current, next, request, left } = rows[0]!;
    const known = { current: current ?? undefined, next: next ?? undefined, request: request ?? undefined };
    return { ...known, left: Number(left) };
  }

  /**
   * Answers the key of the rotation that is under way then: another process may have been first. Whose request it is stands beside
   * it, for whoever writes it down: this process may not come to that.
   */
  async begin(fingerprint: string, request: string): Promise<string> {
    await this.db.query(
      `WITH begun AS (INSERT INTO processing.identity VALUES ('master_key_next', $1)
                        ON CONFLICT (name) DO NOTHING RETURNING 1)
       INSERT INTO processing.identity SELECT 'master_key_request', $2 FROM begun
         ON CONFLICT (name) DO UPDATE SET fingerprint = excluded.fingerprint`,
      [fingerprint, request],
    );
    return (await this.state()).next ?? fingerprint;
  }

  async announce(holder: string, label: string, fingerprints: readonly string[]): Promise<void> {
    await this.db.query(
      `INSERT INTO access.master_key_holders VALUES ($1, $2, $3, now())
         ON CONFLICT (holder) DO UPDATE SET fingerprints = excluded.fingerprints, seen_at = excluded.seen_at`,
      [holder, label, fingerprints],
    );
  }

  async leave(holder: string): Promise<void> {
    await this.db.query(
      `DELETE FROM access.master_key_holders WHERE holder = $1 OR seen_at < now() - interval '1 day'`,
      [holder],
    );
  }

  /** Labels of the processes that were there within so many seconds and lack the key. */
  async lacking(fingerprint: string, withinSeconds: number): Promise<readonly string[]> {
    const { rows } = await this.db.query<{ label: string }>(
      `SELECT label FROM access.master_key_holders
        WHERE seen_at > now() - make_interval(secs => $2) AND NOT $1 = ANY (fingerprints) ORDER BY label`,
      [fingerprint, withinSeconds],
    );
    return rows.map(({ label }) => label);
  }

  async notWrappedBy(fingerprint: string, limit: number): Promise<readonly WrappedKey[]> {
    const { rows } = await this.db.query<{
      subject: string;
      key_id: string;
      wrapped: Buffer;
      wrapped_by: string | null;
    }>(
      `SELECT subject, key_id, wrapped, wrapped_by FROM access.subject_keys WHERE ${LEFT} $1 ORDER BY subject LIMIT $2`,
      [fingerprint, limit],
    );
    return rows.map((row) => ({
      kind: 'key',
      subject: row.subject,
      keyId: row.key_id,
      wrapped: row.wrapped,
      wrappedBy: row.wrapped_by,
    }));
  }

  /** Nothing happens when the key was shredded or wrapped anew in between. */
  async rewrap(old: WrappedKey, wrapped: Uint8Array, fingerprint: string): Promise<void> {
    await this.db.query(
      'UPDATE access.subject_keys SET wrapped = $3, wrapped_by = $4 WHERE subject = $1 AND key_id = $2 AND wrapped = $5',
      [old.subject, old.keyId, Buffer.from(wrapped), fingerprint, Buffer.from(old.wrapped)],
    );
  }

  /** False when data keys are left. */
  async finish(fingerprint: string): Promise<boolean> {
    const { rows } = await this.db.query<{ done: boolean }>('SELECT access.finish_master_key_rotation($1) AS done', [
      fingerprint,
    ]);
    return rows[0]!.done;
  }
}
