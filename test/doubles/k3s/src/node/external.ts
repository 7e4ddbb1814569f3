import type { Datastore } from '../datastore.js';
import type { ServerOptions } from '../cli/options.js';
import { loadSecrets, readIfThere, serverPaths, type ClusterSecrets } from '../files.js';
import { fatal, messageOf, warn } from '../log.js';
import { sqlKeys, storageBootstrap } from '../sql/bootstrap-key.js';
import { Kine } from '../sql/kine.js';
import { KineTable } from '../sql/table.js';
import type { Store } from '../store.js';
import { parseToken } from '../token.js';
import type { BootstrapKeys } from '../bootstrap-data.js';
import { memberOf } from './embedded.js';
import { givenToken } from './reset.js';

/** A datastore folder of embedded etcd wins over the flag (k3s-io/k3s pkg/cluster/managed.go, assignManagedDriver). */
export const isExternal = (options: ServerOptions): boolean =>
  options.datastore !== undefined && readIfThere(`${serverPaths(options.dataDir).db}-etcd`) === undefined;

export interface External {
  readonly secrets: ClusterSecrets;
  readonly keys: BootstrapKeys;
  datastore(store: Store): Promise<Datastore>;
}

/** A server on a database elsewhere joins nobody: what it has to know is in the database. */
export const openExternal = async (options: ServerOptions): Promise<External> => {
  if (options.clusterReset)
    return fatal('the stand-in resets embedded etcd only: --cluster-reset has a --datastore-endpoint');
  if (options.server !== undefined) warn('--server is of no use with --datastore-endpoint');
  try {
    const table = await KineTable.open(options.datastore!);
    const token = givenToken(options);
    const known = loadSecrets(options.dataDir);
    const password = token === undefined ? undefined : parseToken(token).password;
    const secrets = await storageBootstrap(table, options.dataDir, password, known);
    return { secrets, keys: sqlKeys(table), datastore: (store) => Kine.start(memberOf(options), table, store) };
  } catch (cause) {
    return fatal(`starting kubernetes: preparing server: ${messageOf(cause)}`);
  }
};
