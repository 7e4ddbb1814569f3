import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { User } from './api/authn.js';
import { ApiError } from './api/status.js';
import type { SupervisorRoute } from './api/server.js';
import { snapshotRoute, type SnapshotDeps } from './api/snapshot-route.js';
import type { CriticalArgs } from './critical-args.js';
import type { ClusterSecrets } from './files.js';
import { sleep } from './log.js';
import { issue } from './pki.js';
import type { Datastore } from './datastore.js';
import type { Store } from './store.js';
import type { BootstrapKeys } from './bootstrap-data.js';
import { rotateToken } from './token-rotate.js';
import { K3S_VERSION, tuning } from './version.js';

interface Deps {
  readonly secrets: ClusterSecrets;
  readonly store: Store;
  readonly datastore: Datastore;
  readonly critical: CriticalArgs;
  readonly dataDir: string;
  /** Where the cluster's keys are kept, locked with the server token. */
  readonly bootstrap: BootstrapKeys;
  /** False without embedded etcd: no server can join then. */
  readonly embeddedEtcd: boolean;
  readonly snapshots: SnapshotDeps;
}

/** The `host:port` of every server, from the endpoints of the kubernetes service. */
export const apiServers = (store: Store): string[] => {
  const endpoints = store.get('/registry/endpoints/default/kubernetes')?.object;
  const subsets = (endpoints?.['subsets'] ?? []) as { addresses: { ip: string }[]; ports: { port: number }[] }[];
  return subsets.flatMap((subset) =>
    subset.addresses.map(({ ip }) => `${ip.includes(':') ? `[${ip}]` : ip}:${subset.ports[0]!.port}`),
  );
};

const hashOf = (password: string): Buffer => createHash('sha256').update(password).digest();

/** A node's name belongs to whom first showed a password for it; see the `NAME.node-password.k3s` secrets. */
const checkNodePassword = async (deps: Deps, name: string, password: string): Promise<void> => {
  const key = `/registry/secrets/kube-system/${name}.node-password.k3s`;
  await deps.datastore.readBarrier();
  const known = deps.store.get(key)?.object as { data?: { hash?: string } } | undefined;
  if (known !== undefined) {
    const stored = Buffer.from(known.data?.hash ?? '', 'base64').toString('utf8');
    if (timingSafeEqual(hashOf(stored), hashOf(hashOf(password).toString('hex')))) return;
    throw new ApiError(403, `unable to verify password for node ${name}: hash does not match`);
  }
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: `${name}.node-password.k3s`,
      namespace: 'kube-system',
      uid: crypto.randomUUID(),
      creationTimestamp: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    },
    immutable: true,
    type: 'Opaque',
    data: { hash: Buffer.from(hashOf(password).toString('hex')).toString('base64') },
  };
  await deps.datastore.propose({ kind: 'txn', key, ifRevision: 0, value: JSON.stringify(secret) });
};

const kubeletCertificate = async (deps: Deps, request: IncomingMessage, user: User): Promise<string> => {
  const name = request.headers['k3s-node-name'];
  const password = request.headers['k3s-node-password'];
  if (typeof name !== 'string' || typeof password !== 'string') throw new ApiError(400, 'node name not set');
  if (user.groups.includes('system:nodes') && user.name !== `system:node:${name}`)
    throw new ApiError(403, `header k3s-Node-Name (${name}) does not match user (${user.name})`);
  await checkNodePassword(deps, name, password);
  const pair = await issue(deps.secrets.clientCa, {
    commonName: `system:node:${name}`,
    organizations: ['system:nodes'],
    usage: 'client',
  });
  return pair.cert + pair.key;
};

const requireGroup = (user: User | undefined, ...groups: string[]): User => {
  if (user === undefined) throw new ApiError(401, 'Unauthorized');
  if (!user.groups.some((group) => groups.includes(group))) throw new ApiError(403, 'not authorized');
  return user;
};
const agents = ['k3s:agent', 'system:nodes', 'system:bootstrappers:k3s:default-node-token'];

/** k3s' own endpoints beside the API: CA, ping, and what joining nodes ask for. */
export const supervisorRoutes = (deps: Deps): SupervisorRoute => {
  const { secrets } = deps;
  return (path, request, user) => {
    switch (path) {
      case '/ping':
        return Promise.resolve('pong');
      case '/cacerts':
        return Promise.resolve(secrets.serverCa.cert);
    }
    if (path === '/db/snapshot')
      return (async () => {
        requireGroup(user, 'k3s:server');
        if (!deps.embeddedEtcd) throw new ApiError(400, 'etcd datastore disabled');
        return snapshotRoute(deps.snapshots, request);
      })();
    if (!path.startsWith('/v1-k3s/')) return undefined;
    return (async () => {
      switch (path) {
        case '/v1-k3s/config':
          requireGroup(user, ...agents);
          return JSON.stringify({ ...deps.critical, Version: K3S_VERSION, SupervisorPort: 6443 });
        case '/v1-k3s/apiservers':
          requireGroup(user, ...agents);
          return JSON.stringify(apiServers(deps.store));
        case '/v1-k3s/client-ca.crt':
          requireGroup(user, ...agents);
          return secrets.clientCa.cert;
        case '/v1-k3s/client-kubelet.crt':
          return kubeletCertificate(deps, request, requireGroup(user, ...agents));
        case '/v1-k3s/encrypt/status':
          requireGroup(user, 'k3s:server');
          if (request.method !== 'GET') throw new ApiError(405, 'method not allowed');
          return JSON.stringify({ stage: '', activekey: '' });
        case '/v1-k3s/token':
          requireGroup(user, 'k3s:server');
          await rotateToken(deps, request);
          await sleep(tuning.tokenRotateMs);
          return '';
        case '/v1-k3s/server-bootstrap':
          requireGroup(user, 'k3s:server');
          if (!deps.embeddedEtcd) throw new ApiError(400, 'etcd datastore disabled');
          return JSON.stringify({ secrets, members: deps.datastore.members });
        default:
          throw new ApiError(404, 'page not found');
      }
    })();
  };
};
