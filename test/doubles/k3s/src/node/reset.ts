import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerOptions } from '../cli/options.js';
import type { Datastore } from '../datastore.js';
import { httpsUrl, loadSecrets, readIfThere, serverPaths, writeAtomic, type ClusterSecrets } from '../files.js';
import { fatal, info, messageOf } from '../log.js';
import type { Raft } from '../raft/raft.js';
import { RaftStorage } from '../raft/storage.js';
import { clusterReset, SnapshotDir } from '../snapshots.js';
import { Store } from '../store.js';
import { parseToken } from '../token.js';
import { lockedIn } from '../token-rotate.js';
import { tuning } from '../version.js';

export const givenToken = (options: ServerOptions): string | undefined =>
  options.token ?? (options.tokenFile === undefined ? undefined : readIfThere(options.tokenFile)?.trim());

const tombstoneOf = (dataDir: string): string => `${serverPaths(dataDir).db}/tombstone`;

/** A server whose etcd member was removed ends; started again it forgets its data and joins anew, as k3s does. */
export const endWhenRemoved = (raft: Raft, dataDir: string): void => {
  raft.onRemoved = () => {
    writeAtomic(tombstoneOf(dataDir), '');
    fatal('etcd: this member has been permanently removed from the cluster');
  };
};

/** --cluster-reset: does it and exits. */
export const resetAndExit = async (options: ServerOptions): Promise<never> => {
  const token = givenToken(options);
  const store = new Store();
  const storage = new RaftStorage(serverPaths(options.dataDir).db);
  if (storage.snapshot !== undefined) store.restore(storage.snapshot.state);
  for (const { command } of storage.entries) if (command.kind === 'txn') store.apply(command);
  try {
    const said = clusterReset({
      dataDir: options.dataDir,
      nodeName: options.nodeName,
      peerUrl: httpsUrl(options.nodeIps[0]!, tuning.peerPort),
      path: options.restorePath,
      secret: token === undefined ? undefined : parseToken(token).password,
      known: loadSecrets(options.dataDir),
      current: () => store.serialize(),
    });
    info(said);
    process.exit(0);
  } catch (cause) {
    return fatal(`starting kubernetes: preparing server: ${messageOf(cause)}`);
  }
};

export const snapshotsOf = (
  options: ServerOptions,
  secrets: ClusterSecrets,
  store: Store,
  datastore: Pick<Datastore, 'readBarrier'>,
) => {
  const dir = new SnapshotDir(options.snapshotDir ?? `${serverPaths(options.dataDir).db}/snapshots`, options.nodeName);
  return {
    dir,
    nodeName: options.nodeName,
    defaultName: options.snapshotName,
    defaultRetention: options.snapshotRetention,
    save: async (name: string) => {
      await datastore.readBarrier();
      return dir.save(name, store.serialize(), secrets, lockedIn(store));
    },
  };
};

/** What a removed member kept is of no use to anybody. */
export const forgetRemovedMember = (dataDir: string): void => {
  if (!existsSync(tombstoneOf(dataDir))) return;
  info('tombstone file has been detected, removing data dir to rejoin the cluster');
  for (const file of readdirSync(serverPaths(dataDir).db))
    if (file !== 'snapshots') rmSync(join(serverPaths(dataDir).db, file), { recursive: true, force: true });
};
