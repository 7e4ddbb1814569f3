import { statSync } from 'node:fs';
import { BOOTSTRAP_PREFIX, keyNameOf, lock, unlock, type BootstrapKeys } from '../bootstrap-data.js';
import { createSecrets, serverPaths, type ClusterSecrets } from '../files.js';
import { info, sleep, warn } from '../log.js';
import type { KineTable, Row } from './table.js';

/** As K3s: after so many looks, a second apart, the lock of a server that died is taken away. */
const MAX_WAITS = 5;
const SKEW_S = 3;

interface Kept {
  readonly at: number;
  readonly locked: ReturnType<typeof lock>;
}

/**
 * The cluster's CAs from the datastore, encrypted with the server token; or, in an empty one, the lock under which this
 * server alone makes them (k3s-io/k3s pkg/cluster/storage.go, storageBootstrap). Of servers that start at once one makes
 * them and the others wait, whichever is first and whoever dies.
 */
export const storageBootstrap = async (
  table: KineTable,
  dataDir: string,
  token: string | undefined,
  known: ClusterSecrets | undefined,
): Promise<ClusterSecrets> => {
  const secret = token ?? known?.secret;
  if (secret === undefined) return save(table, await createSecrets(undefined), undefined);
  for (let attempts = 1; ; attempts++, await sleep(1_000)) {
    const found = await find(table, secret);
    if (found === undefined) {
      const locked = await table.write(keyNameOf(secret), 0, '');
      if (locked.ok) {
        info('Bootstrap key locked for initial create');
        return save(table, known ?? (await createSecrets(secret)), locked.id);
      }
      info('Bootstrap key already locked - waiting for data to be populated by another server');
    } else if (found.value !== '') return reconcile(JSON.parse(found.value) as Kept, secret, dataDir, known);
    else if (attempts >= MAX_WAITS) {
      info('Bootstrap key lock timed out - deleting lock and retrying');
      attempts = 0;
      await table.write(found.name, found.id, null);
    } else info('Bootstrap key is locked - waiting for data to be populated by another server');
  }
};

const DIFFERENT = 'bootstrap data already found and encrypted with different token';

const find = async (table: KineTable, secret: string): Promise<Row | undefined> => {
  const { rows } = await table.list(BOOTSTRAP_PREFIX);
  if (rows.length === 0) return undefined;
  const own = rows.find((row) => row.name === keyNameOf(secret));
  if (own === undefined) throw new Error(DIFFERENT);
  return own;
};

const save = async (table: KineTable, secrets: ClusterSecrets, held: number | undefined): Promise<ClusterSecrets> => {
  if (held === undefined) await find(table, secrets.secret); // somebody else's are there already: refused
  const kept: Kept = { at: Math.floor(Date.now() / 1_000), locked: lock(secrets) };
  const saved = await table.write(keyNameOf(secrets.secret), held ?? 0, JSON.stringify(kept));
  if (!saved.ok) throw new Error('saving bootstrap data to the datastore: key exists');
  info('Saving cluster bootstrap data to datastore');
  return secrets;
};

/** As RotateBootstrapToken: decrypted with the old token, kept under the new one's name, and only then is the old key deleted. */
export const sqlKeys = (table: KineTable): BootstrapKeys => ({
  relock: async (before, { secret }) => {
    const { rows } = await table.list(BOOTSTRAP_PREFIX);
    const [old, now] = [keyNameOf(before), keyNameOf(secret)];
    const found = rows.find((row) => row.name === old);
    if (old === now || found === undefined || found.value === '')
      return rows.some((row) => row.name === now && row.value !== '');
    const secrets = { ...unlock((JSON.parse(found.value) as Kept).locked, before), secret };
    const kept: Kept = { at: Math.floor(Date.now() / 1_000), locked: lock(secrets) };
    await table.write(now, 0, JSON.stringify(kept));
    info(`created bootstrap key ${now}`);
    await table.write(old, found.id, null);
    return true;
  },
});

/** The newer of disk and datastore counts, but nothing on disk may silently replace what other servers run with. */
const reconcile = (
  { at, locked }: Kept,
  secret: string,
  dataDir: string,
  known: ClusterSecrets | undefined,
): ClusterSecrets => {
  info('Reconciling bootstrap data between datastore and disk');
  const secrets = unlock(locked, secret);
  if (known === undefined || JSON.stringify(known) === JSON.stringify(secrets)) return secrets;
  const path = serverPaths(dataDir).tls('server-ca.crt');
  if (known.serverCa.cert !== secrets.serverCa.cert && Math.floor(statSync(path).mtimeMs / 1_000) - at >= SKEW_S)
    throw new Error(
      `${path} newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore.`,
    );
  warn('Updating bootstrap data on disk from datastore');
  return secrets;
};
