import { once } from 'node:events';
import { createServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { seededRandom, silentLog } from '#kernel';
import { selfSigned } from '../../../../test/doubles/kurrentdb/certificate.js';
import { ClusterBootstrapped } from '../domain/cluster/events.js';
import { cluster_id, instance_id, oneServer } from '../testing/one-server.js';
import { REFUSED_MS } from './api-access.js';
import { Clusters } from './clusters.js';
import { ClusterWatches } from './cluster-watches.js';
import { KubeApis } from './kube-api.js';

const accountId = 'account-00000000-0000-4000-8000-000000000001';
const ready = { metadata: { name: 's1' }, status: { conditions: [{ type: 'Ready', status: 'True' }] } };
const NODES = { kind: 'NodeList', apiVersion: 'v1', metadata: { resourceVersion: '1' }, items: [ready] };
const REFUSAL = { kind: 'Status', apiVersion: 'v1', code: 403, reason: 'Forbidden', message: 'nodes is forbidden' };

/** An API server of which an administrator decides whether it lets the platform look at its nodes. */
const apiServer = async () => {
  const rights = { taken: true };
  const { key, cert } = await selfSigned();
  const server = createServer({ key, cert }, (request, response) => {
    const isWatch = request.url?.includes('watch=') === true;
    response.writeHead(rights.taken ? 403 : 200, { 'content-type': 'application/json' });
    response.end(rights.taken ? JSON.stringify(REFUSAL) : isWatch ? '' : JSON.stringify(NODES));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {certificate-authority-data: ${cert.toString('base64')}, server: "https://[fd00::1]:6443"}}]
users: [{name: default, user: {}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
`;
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { rights, kubeconfig, port: (server.address() as AddressInfo).port, close };
};

it('tells by the watch of a cluster that its API refuses the platform, and that it no longer does', async () => {
  const api = await apiServer();
  const log = await oneServer();
  const boot = { cluster_id, name: 'c', api_endpoint: 'https://[fd00::1]:6443', failover: 'none' } as const;
  await log.put(cluster_id, ClusterBootstrapped(boot));
  const clusters = new Clusters(log.transactor);
  const directory = {
    clusters: new Map<string, unknown>(),
    instances: new Map([[instance_id as string, { id: instance_id, name: 's1', online: true }]]),
    clusterOfMember: () => directory.clusters.get(cluster_id),
  };
  const openTunnel = async () => connect(api.port, '127.0.0.1');
  const link = { liveness: () => ({ connected: true }), openTunnel } as never;
  // The clock of this test leaps; connections are none of its business.
  const calm = { after: () => () => undefined, every: () => () => undefined } as never;
  const apis = new KubeApis(link, { get: async () => api.kubeconfig } as never, calm);
  const { clock, transactor } = log;
  const random = seededRandom(1);
  const watches = new ClusterWatches(directory as never, link, apis, transactor, clock, clock, random, silentLog);
  const told = async () => {
    const kinds: string[] = [];
    for await (const { type, data } of log.store.readStream(cluster_id))
      if (type.includes('.api_')) kinds.push(`${type} ${String(data['reason'] ?? '')}`);
    return kinds;
  };
  /** Looks as the platform does every two seconds, until so much was told: what the API says comes in its own time. */
  const lookUntil = async (count: number) => {
    for (;;) {
      directory.clusters.set(cluster_id, { ...(await clusters.read(cluster_id))!, accountId });
      await watches.look();
      const kinds = await told();
      if (kinds.length >= count) return kinds;
      await new Promise((resolve) => setTimeout(resolve, 20));
      await clock.advance(REFUSED_MS / 4);
    }
  };
  try {
    const refused = expect.stringMatching(/api_refused .*\(HTTP 403: nodes is forbidden\)/);
    expect(await lookUntil(1)).toEqual([refused]);
    api.rights.taken = false;
    expect(await lookUntil(2)).toEqual([refused, 'system.k3s.cluster.api_accepted ']);
  } finally {
    watches.onModuleDestroy();
    await api.close();
  }
});
