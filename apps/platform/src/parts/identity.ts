import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { ConfigError, sha256Hex } from '#kernel';
import type { MasterKeys } from '#access';

/** Where a data directory keeps what all processes on one database must share. */
const FILES: Readonly<Record<string, string>> = { master_key: 'master.key', ca: 'ca/ca.key' };

const known = async (pool: Pool): Promise<ReadonlyMap<string, string>> => {
  const { rows } = await pool.query<{ name: string; fingerprint: string }>('SELECT * FROM processing.identity');
  return new Map(rows.map((row) => [row.name, row.fingerprint]));
};

const refused = (dataDir: string, files: readonly string[], why: string): ConfigError =>
  new ConfigError(
    `DROVER_DATA_DIR: ${files.join(' and ')} in ${dataDir} ${why} of the platform that this database belongs to; ` +
      'copy master.key and ca/ from its data directory or from a backup (docs/runbooks/several-platforms.md)',
  );

/** Before keys are made: a database that has its own must not get a second set. */
export const refuseForeignDatabase = async (pool: Pool, dataDir: string): Promise<void> => {
  const missing = [...(await known(pool)).keys()]
    .map((name) => FILES[name])
    .filter((file): file is string => file !== undefined && !existsSync(join(dataDir, file)));
  if (missing.length > 0) throw refused(dataDir, missing, 'are missing, which must be those');
};

/**
 * The first process leaves its digests, every later one must have the same keys: with others it could not open the secrets, and
 * agents would not trust it. The digests give nothing away: 256-bit keys cannot be guessed.
 */
export const proveIdentity = async (
  pool: Pool,
  dataDir: string,
  keys: { readonly masterKeys: MasterKeys; readonly caPem: string },
): Promise<void> => {
  // A process that died at the end of a rotation, or was away meanwhile, has the new master key beside the old one.
  await keys.masterKeys.refresh((await known(pool)).get('master_key'));
  const mine = new Map([
    ['master_key', keys.masterKeys.current.fingerprint],
    ['ca', sha256Hex(keys.caPem)],
  ]);
  await pool.query(
    'INSERT INTO processing.identity SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (name) DO NOTHING',
    [[...mine.keys()], [...mine.values()]],
  );
  const theirs = await known(pool);
  const other = [...mine]
    .filter(([name, fingerprint]) => theirs.get(name) !== fingerprint)
    .map(([name]) => FILES[name]!);
  if (other.length > 0) throw refused(dataDir, other, 'are not those');
};
