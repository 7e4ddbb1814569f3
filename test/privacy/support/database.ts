import pg from 'pg';
import { openPostgres } from '#event-store';
import { canonicalJson } from '#kernel';
import { unseal } from '../../../libs/access/src/secrets/sealing.js';
import type { Place } from './hunt.js';

export interface KeptSecret {
  readonly subject: string;
  readonly name: string;
  readonly plaintext: Buffer;
}

const bound = (subject: string, name: string): string => canonicalJson(['drover secret', subject, name]);

/** What the secret store keeps, opened with the master key as the platform would. */
const kept = async (pool: pg.Pool, masterKey: Uint8Array): Promise<KeptSecret[]> => {
  const { rows } = await pool.query<
    Record<'subject' | 'name' | 'key_id', string> & Record<'sealed' | 'wrapped', Buffer>
  >(
    'SELECT s.subject, s.name, s.sealed, k.key_id, k.wrapped FROM access.secrets s JOIN access.subject_keys k USING (subject, key_id)',
  );
  return rows.map(({ subject, name, sealed, key_id: keyId, wrapped }) => {
    const key = unseal(masterKey, wrapped, bound(subject, `key:${keyId}`));
    return { subject, name, plaintext: unseal(key, sealed, bound(subject, name)) };
  });
};

/** Every row of every table as text (bytea as hex), a place per table; of a platform that is stopped. */
export const readDatabase = async (
  dataDir: string,
  masterKey: Uint8Array,
): Promise<{ readonly places: Place[]; readonly kept: KeptSecret[]; readonly subjects: string[] }> => {
  const postgres = await openPostgres({ dataDir });
  const pool = new pg.Pool(postgres.connection);
  // Postgres ends right after the pool, and may say so to a client whose farewell is still on its way.
  pool.on('connect', (client) => client.on('error', () => undefined));
  try {
    const { rows: tables } = await pool.query<{ table: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS "table" FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    const places: Place[] = [];
    for (const { table } of tables) {
      const { rows } = await pool.query<{ row: string }>(`SELECT t::text AS row FROM ${table} t`);
      places.push({ name: `table ${table}`, content: Buffer.from(rows.map(({ row }) => row).join('\n')) });
    }
    const { rows: subjects } = await pool.query<{ subject: string }>('SELECT subject FROM access.subject_keys');
    return { places, kept: await kept(pool, masterKey), subjects: subjects.map(({ subject }) => subject) };
  } finally {
    await pool.end();
    await postgres.stop();
  }
};
