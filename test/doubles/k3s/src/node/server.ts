import { rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { apiHandler } from '../api/server.js';
import { Crud } from '../api/crud.js';
import { resourceNamed, type ResourceType } from '../api/resources.js';
import { ServiceAccountTokens } from '../api/service-accounts.js';
import { ApiError } from '../api/status.js';
import { kept } from '../certificates.js';
import type { ServerOptions } from '../cli/options.js';
import { Client, refusalOf } from '../client.js';
import type { Datastore } from '../datastore.js';
import {
  httpsUrl,
  kubeconfigOf,
  nodePassword,
  readIfThere,
  saveSecrets,
  serverPaths,
  writeAtomic,
  type ClusterSecrets,
} from '../files.js';
import { fatal, info, messageOf, sleep, warn } from '../log.js';
import { notifyReady } from '../notify.js';
import { caHash, issue, type KeyPair } from '../pki.js';
import type { Member } from '../raft/types.js';
import { resetFlagOf } from '../snapshots.js';
import { Store } from '../store.js';
import { criticalOf } from '../critical-args.js';
import { supervisorRoutes } from '../supervisor.js';
import { formatToken } from '../token.js';
import type { BootstrapKeys } from '../bootstrap-data.js';
import { checkBootstrapKey, embeddedKeys } from '../token-rotate.js';
import { K3S_VERSION } from '../version.js';
import { Controllers } from './controllers.js';
import { identify, startRaft } from './embedded.js';
import { isExternal, openExternal } from './external.js';
import { Kubelet } from './kubelet.js';
import { endWhenRemoved, forgetRemovedMember, resetAndExit, snapshotsOf } from './reset.js';

/** The API server's certificate: exactly these names, nothing learned later. */
const servingCertificate = (secrets: ClusterSecrets, options: ServerOptions): Promise<KeyPair> => {
  const isIp = (name: string): boolean => /^[\d.]+$/.test(name) || name.includes(':');
  const names = [
    '127.0.0.1',
    '::1',
    'localhost',
    options.nodeName,
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    '10.43.0.1',
    ...options.nodeIps,
    ...options.tlsSans,
  ];
  const unique = [...new Set(names)];
  const make = () =>
    issue(secrets.serverCa, {
      commonName: 'k3s',
      organizations: ['k3s'],
      dns: unique.filter((n) => !isIp(n)),
      ips: unique.filter(isIp),
      usage: 'server',
    });
  return kept(options.dataDir, 'serving-kube-apiserver', unique, make);
};

const ensure = async (crud: Crud, type: ResourceType, namespace: string | undefined, object: object): Promise<void> => {
  try {
    await crud.create(type, namespace, JSON.stringify(object));
  } catch (cause) {
    if (!(cause instanceof ApiError) || cause.code !== 409) throw cause;
  }
};

/** Namespaces, the kubernetes service, and this server among its endpoints. */
const seed = async (crud: Crud, options: ServerOptions): Promise<void> => {
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease'])
    await ensure(crud, resourceNamed('namespaces'), undefined, { metadata: { name } });
  await ensure(crud, resourceNamed('services'), 'default', {
    metadata: { name: 'kubernetes', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.43.0.1',
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: options.port }],
    },
  });
  const endpoints = resourceNamed('endpoints');
  await ensure(crud, endpoints, 'default', { metadata: { name: 'kubernetes' }, subsets: [] });
  await crud.change({ type: endpoints, namespace: 'default', name: 'kubernetes' }, (current) => {
    const others = ((current['subsets'] ?? []) as { addresses: { ip: string }[] }[]).filter(
      (s) => s.addresses[0]?.ip !== options.nodeIps[0],
    );
    return {
      ...current,
      subsets: [
        ...others,
        { addresses: [{ ip: options.nodeIps[0]! }], ports: [{ name: 'https', port: options.port, protocol: 'TCP' }] },
      ],
    };
  });
};

const writeFiles = async (options: ServerOptions, secrets: ClusterSecrets): Promise<string> => {
  const token = formatToken(caHash(secrets.serverCa.cert), secrets.secret);
  saveSecrets(options.dataDir, secrets, token);
  const admin = await kept(options.dataDir, 'client-admin', [], () =>
    issue(secrets.clientCa, { commonName: 'system:admin', organizations: ['system:masters'], usage: 'client' }),
  );
  const local = httpsUrl(options.bindAddress ?? '127.0.0.1', options.port);
  const kubeconfig = kubeconfigOf(local, secrets.serverCa.cert, admin);
  writeAtomic(serverPaths(options.dataDir).adminKubeconfig, kubeconfig);
  writeAtomic(options.kubeconfig, kubeconfig, options.kubeconfigMode);
  info(`Wrote kubeconfig ${options.kubeconfig}`);
  return local;
};

const startKubelet = async (
  options: ServerOptions,
  secrets: ClusterSecrets,
  local: string,
  etcd: boolean,
  member: Member,
): Promise<void> => {
  const role = (name: string) => [`node-role.kubernetes.io/${name}`, 'true'] as const;
  const labels = Object.fromEntries([
    role('control-plane'),
    role('master'),
    ...(etcd ? [role('etcd')] : []),
    ...options.nodeLabels.map((l) => l.split(/=(.*)/s) as [string, string]),
  ]);
  const supervisor = new Client(
    [local],
    { ca: secrets.serverCa.cert },
    {
      authorization: `Basic ${Buffer.from(`node:${secrets.secret}`).toString('base64')}`,
      'k3s-node-name': options.nodeName,
      'k3s-node-password': nodePassword(),
    },
  );
  for (;;) {
    const answer = await supervisor.call('GET', '/v1-k3s/client-kubelet.crt');
    if (answer.status === 200) {
      const [cert, key] = answer.body.split(/(?=-----BEGIN PRIVATE KEY-----)/);
      const client = new Client([local], { ca: secrets.serverCa.cert, cert: cert!, key: key! });
      const own = {
        'etcd.k3s.cattle.io/node-name': `${options.nodeName}-${member.id.slice(0, 8)}`,
        'etcd.k3s.cattle.io/node-address': options.nodeIps[0]!,
      };
      const identity = { name: options.nodeName, ips: options.nodeIps, labels };
      return new Kubelet(client, { ...identity, ...(etcd ? { annotations: own } : {}) }).run();
    }
    warn(`Waiting to retrieve agent configuration; server is not ready: ${refusalOf(answer, 'client-kubelet.crt')}`);
    await sleep(1_000);
  }
};

interface Storage {
  readonly secrets: ClusterSecrets;
  readonly etcd: boolean;
  /** Of a database elsewhere; embedded etcd's are in the datastore itself. */
  readonly keys?: BootstrapKeys;
  open(): Promise<Datastore>;
}

const external = async (options: ServerOptions, store: Store): Promise<Storage> => {
  const { secrets, keys, datastore } = await openExternal(options);
  return { secrets, etcd: false, keys, open: () => datastore(store) };
};

const embedded = async (options: ServerOptions, store: Store): Promise<Storage> => {
  if (options.clusterReset) await resetAndExit(options);
  forgetRemovedMember(options.dataDir);
  rmSync(resetFlagOf(options.dataDir), { force: true });
  const identity = await identify(options);
  const marker = `${serverPaths(options.dataDir).db}-etcd`;
  const etcd = options.clusterInit || identity.join !== undefined || readIfThere(marker) !== undefined;
  if (etcd) writeAtomic(marker, 'etcd\n');
  const open = async () => {
    const raft = await startRaft(options, identity, store, etcd);
    endWhenRemoved(raft, options.dataDir);
    return raft;
  };
  return { secrets: identity.secrets, etcd, open };
};

export const runServer = async (options: ServerOptions): Promise<void> => {
  info(`Starting k3s ${K3S_VERSION} (stand-in of the drover tests)`);
  const started = Date.now();
  const store = new Store();
  const storage = isExternal(options) ? await external(options, store) : await embedded(options, store);
  const { secrets, etcd, open } = storage;
  const serving = await servingCertificate(secrets, options);
  const local = await writeFiles(options, secrets);
  const datastore = await open();
  const crud = new Crud(store, datastore);
  const snapshots = snapshotsOf(options, secrets, store, datastore);
  const { dataDir } = options;
  const critical = criticalOf(options);
  const bootstrap = storage.keys ?? embeddedKeys({ store, datastore });
  const routes = { secrets, store, datastore, critical, dataDir, bootstrap, embeddedEtcd: etcd, snapshots };
  const supervisor = supervisorRoutes(routes);
  const tokens = new ServiceAccountTokens(secrets.clientCa);
  const server = createServer(
    { cert: serving.cert, key: serving.key, ca: secrets.clientCa.cert, requestCert: true, rejectUnauthorized: false },
    apiHandler({ crud, datastore, serverSecret: secrets.secret, tokens, supervisor }),
  );
  server.on('error', (cause) => fatal(`starting kubernetes: ${messageOf(cause)}`));
  await new Promise<void>((done) => server.listen(options.port, options.bindAddress ?? '::', done));
  if (etcd) await retried(() => sameToken({ store, datastore }, secrets));
  await retried(() => seed(crud, options));
  new Controllers(crud, datastore, options.clusterCidr).start();
  info(`k3s is up and running (${Date.now() - started} ms)`);
  notifyReady();
  if (options.agent) await startKubelet(options, secrets, local, etcd, datastore.self);
};

const sameToken = async (parts: Parameters<typeof checkBootstrapKey>[0], secrets: ClusterSecrets): Promise<void> => {
  const said = await checkBootstrapKey(parts, secrets);
  if (said !== 'ok') fatal(`starting kubernetes: preparing server: ${said}`);
};

const retried = async (act: () => Promise<void>): Promise<void> => {
  for (;;) {
    try {
      return await act();
    } catch (cause) {
      info(`Waiting for the datastore: ${messageOf(cause)}`);
      await sleep(500);
    }
  }
};
