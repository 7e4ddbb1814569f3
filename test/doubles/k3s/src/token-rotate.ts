import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ApiError } from './api/status.js';
import { BOOTSTRAP_PREFIX, keyNameOf, lock, type BootstrapKeys, type LockedBootstrap } from './bootstrap-data.js';
import type { Datastore } from './datastore.js';
import { loadSecrets, saveSecrets, type ClusterSecrets } from './files.js';
import { info } from './log.js';
import { caHash } from './pki.js';
import { readBody } from './raft/peer-server.js';
import type { KubeObject, Store } from './store.js';
import { formatToken } from './token.js';

const PREFIX = `${BOOTSTRAP_PREFIX}/`;
const DIFFERENT = 'bootstrap data already found and encrypted with different token';

interface Parts {
  readonly store: Store;
  readonly datastore: Pick<Datastore, 'propose' | 'readBarrier'>;
}

const keep = async ({ datastore }: Pick<Parts, 'datastore'>, secrets: ClusterSecrets): Promise<void> => {
  const key = keyNameOf(secrets.secret);
  const value = { metadata: { name: key.slice(PREFIX.length) }, locked: lock(secrets) };
  await datastore.propose({ kind: 'txn', key, value: JSON.stringify(value) });
};

const kept = (store: Store): readonly (KubeObject & { locked: LockedBootstrap })[] =>
  store.list(PREFIX) as (KubeObject & { locked: LockedBootstrap })[];

/** What a snapshot holds of the cluster's keys: as the datastore has them, whichever token this server began with. */
export const lockedIn = (store: Store): LockedBootstrap | undefined => kept(store)[0]?.locked;

/** A server of embedded etcd starts only with the token that the datastore's bootstrap data are encrypted with. */
export const checkBootstrapKey = async (parts: Parts, secrets: ClusterSecrets): Promise<'ok' | typeof DIFFERENT> => {
  await parts.datastore.readBarrier();
  if (kept(parts.store).length === 0) await keep(parts, secrets);
  return parts.store.get(keyNameOf(secrets.secret)) === undefined ? DIFFERENT : 'ok';
};

export const embeddedKeys = (parts: Parts): BootstrapKeys => ({
  relock: async (before, secrets) => {
    await parts.datastore.readBarrier();
    const [old, now] = [keyNameOf(before), keyNameOf(secrets.secret)];
    if (old !== now && parts.store.get(old) !== undefined) {
      await keep(parts, secrets);
      await parts.datastore.propose({ kind: 'txn', key: old, value: null });
      info(`created bootstrap key ${now}`);
    }
    return parts.store.get(now) !== undefined;
  },
});

/**
 * PUT /v1-k3s/token (k3s-io/k3s pkg/server/handlers/token.go): the files of this server and the datastore have the new token
 * at once; who may ask this server changes when it is started again, and the other servers must be given it.
 */
export const rotateToken = async (
  { dataDir, bootstrap }: { readonly dataDir: string; readonly bootstrap: BootstrapKeys },
  request: IncomingMessage,
): Promise<void> => {
  if (request.method !== 'PUT') throw new ApiError(405, 'method not allowed');
  const { newToken } = JSON.parse(await readBody(request, 64 * 1024)) as { newToken?: string };
  if (newToken === undefined) throw new ApiError(400, 'newToken is missing');
  if (/^K10|:/.test(newToken)) throw new ApiError(500, 'the stand-in takes the password of a token only');
  const onDisk = loadSecrets(dataDir);
  if (onDisk === undefined) throw new ApiError(500, 'server token not found');
  const secrets = { ...onDisk, secret: newToken === '' ? randomBytes(16).toString('hex') : newToken };
  saveSecrets(dataDir, secrets, formatToken(caHash(secrets.serverCa.cert), secrets.secret));
  if (!(await bootstrap.relock(onDisk.secret, secrets))) throw new ApiError(500, DIFFERENT);
};
