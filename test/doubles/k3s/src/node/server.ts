import { rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { apiHandler } from '../api/server.js';
import { Crud } from '../api/crud.js';
import { resourceNamed, type ResourceType } from '../api/resources.js';
import { ServiceAccountTokens } from '../api/service-accounts.js';
import { ApiError } from '../api/status.js';
import { kept } from '../certificates.js';
import type { ServerOptions } from '../cli/options.js';
import { Client } from '../client.js';
import {
  createSecrets,
  httpsUrl,
  kubeconfigOf,
  loadSecrets,
  nodePassword,
  readIfThere,
  saveSecrets,
  serverPaths,
  writeAtomic,
  type ClusterSecrets,
} from '../files.js';
import { acceptMember, fetchBootstrap, joinMembers, newMemberId } from '../join.js';
import { fatal, info, messageOf, sleep, warn } from '../log.js';
import { caHash, issue, type KeyPair } from '../pki.js';
import { HttpsPeers, servePeers } from '../raft/peer-server.js';
import { Raft } from '../raft/raft.js';
import { RaftStorage } from '../raft/storage.js';
import type { Member } from '../raft/types.js';
import { resetFlagOf } from '../snapshots.js';
import { Store } from '../store.js';
import { supervisorRoutes } from '../supervisor.js';
import { formatToken, parseToken } from '../token.js';
import { K3S_VERSION, tuning } from '../version.js';
import { Controllers } from './controllers.js';
import { Kubelet } from './kubelet.js';
import { endWhenRemoved, forgetRemovedMember, givenToken, resetAndExit, snapshotsOf } from './reset.js';

interface Identity {
  readonly secrets: ClusterSecrets;
  /** The members to join through; undefined for a first or restarted server. */
  readonly join: readonly Member[] | undefined;
  readonly first: boolean;
}

/** New cluster, joined cluster, or this data directory's own. */
const identify = async (options: ServerOptions): Promise<Identity> => {
  const token = givenToken(options);
  const known = loadSecrets(options.dataDir);
  if (known !== undefined && readIfThere(serverPaths(options.dataDir).member) !== undefined) {
    if (token !== undefined && parseToken(token).password !== known.secret)
      fatal('starting kubernetes: preparing server: bootstrap data already found and encrypted with different token');
    return { secrets: known, join: undefined, first: false };
  }
  if (options.server === undefined || options.clusterInit) {
    const secrets = known ?? (await createSecrets(token === undefined ? undefined : parseToken(token).password));
    return { secrets, join: undefined, first: true };
  }
  if (token === undefined) return fatal('starting kubernetes: preparing server: token is required to join a cluster');
  const { secrets, members } = await fetchBootstrap(options.server.replace(/\/$/, ''), token);
  return { secrets, join: members, first: false };
};

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

const memberOf = (options: ServerOptions): Member => {
  const path = serverPaths(options.dataDir).member;
  const known = readIfThere(path);
  const peerUrl = httpsUrl(options.nodeIps[0]!, tuning.peerPort);
  const member =
    known === undefined ? { id: newMemberId(), name: options.nodeName, peerUrl } : (JSON.parse(known) as Member);
  if (member.peerUrl !== peerUrl)
    warn(
      `etcd member ${member.name} was ${member.peerUrl}, node-ip now says ${peerUrl}: membership keeps the old address`,
    );
  return member;
};

const startRaft = async (options: ServerOptions, identity: Identity, store: Store, etcd: boolean) => {
  const { secrets } = identity;
  const paths = serverPaths(options.dataDir);
  const member = memberOf(options);
  if (identity.join !== undefined)
    rmSync(paths.db, { recursive: true, force: true }); // an unfinished join starts over
  else writeAtomic(paths.member, JSON.stringify(member));
  const tls = await issue(secrets.peerCa, {
    commonName: 'etcd-peer',
    ips: [options.nodeIps[0]!, '127.0.0.1', '::1'],
    dns: ['localhost', options.nodeName],
    usage: 'peer',
  });
  const peers = new HttpsPeers(tls, secrets.peerCa.cert, Math.max(500, tuning.electionMs / 2));
  const raft = new Raft(member, new RaftStorage(paths.db), store, peers, tuning.electionMs);
  if (etcd) {
    const at = { host: options.nodeIps[0]!, port: tuning.peerPort };
    await servePeers(
      tls,
      secrets.peerCa.cert,
      at,
      () => raft,
      (joining) => acceptMember(raft, peers, joining),
    );
  }
  if (identity.join !== undefined) await joinMembers(raft, peers, identity.join);
  else raft.bootstrap();
  if (identity.join !== undefined) writeAtomic(paths.member, JSON.stringify(member));
  return raft;
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
    warn(`Unable to get kubelet certificate: ${answer.body.trim()}`);
    await sleep(1_000);
  }
};

export const runServer = async (options: ServerOptions): Promise<void> => {
  info(`Starting k3s ${K3S_VERSION} (stand-in of the drover tests)`);
  if (options.datastore !== undefined)
    warn('the stand-in keeps the data of --datastore-endpoint in its own data directory');
  if (options.datastore !== undefined && options.server !== undefined)
    fatal('the stand-in cannot share an external datastore between servers');
  if (options.clusterReset) await resetAndExit(options);
  forgetRemovedMember(options.dataDir);
  rmSync(resetFlagOf(options.dataDir), { force: true });
  const started = Date.now();
  const identity = await identify(options);
  const { secrets } = identity;
  const marker = `${serverPaths(options.dataDir).db}-etcd`;
  const etcd = options.clusterInit || identity.join !== undefined || readIfThere(marker) !== undefined;
  if (etcd) writeAtomic(marker, 'etcd\n');
  const serving = await servingCertificate(secrets, options);
  const store = new Store();
  const local = await writeFiles(options, secrets);
  const raft = await startRaft(options, identity, store, etcd);
  const crud = new Crud(store, raft);
  endWhenRemoved(raft, options.dataDir);
  const snapshots = snapshotsOf(options, secrets, store, raft);
  const { clusterCidr } = options;
  const supervisor = supervisorRoutes({ secrets, store, raft, clusterCidr, embeddedEtcd: etcd, snapshots });
  const tokens = new ServiceAccountTokens(secrets.clientCa);
  const server = createServer(
    { cert: serving.cert, key: serving.key, ca: secrets.clientCa.cert, requestCert: true, rejectUnauthorized: false },
    apiHandler({ crud, raft, serverSecret: secrets.secret, tokens, supervisor }),
  );
  server.on('error', (cause) => fatal(`starting kubernetes: ${messageOf(cause)}`));
  await new Promise<void>((done) => server.listen(options.port, options.bindAddress ?? '::', done));
  await retried(() => seed(crud, options));
  new Controllers(crud, raft, options.clusterCidr).start();
  info(`k3s is up and running (${Date.now() - started} ms)`);
  if (options.agent) await startKubelet(options, secrets, local, etcd, raft.self);
};

const retried = async (act: () => Promise<void>): Promise<void> => {
  for (;;) {
    try {
      return await act();
    } catch (cause) {
      info(`Waiting for etcd: ${messageOf(cause)}`);
      await sleep(500);
    }
  }
};
