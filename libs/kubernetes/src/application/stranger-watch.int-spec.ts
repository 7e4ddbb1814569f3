import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { seededRandom, silentLog } from '#kernel';
import { Crud } from '../../../../test/doubles/k3s/src/api/crud.js';
import { resourceNamed } from '../../../../test/doubles/k3s/src/api/resources.js';
import { apiHandler } from '../../../../test/doubles/k3s/src/api/server.js';
import { Store } from '../../../../test/doubles/k3s/src/store.js';
import { selfSigned } from '../../../../test/doubles/kurrentdb/certificate.js';
import { ClusterBootstrapped } from '../domain/cluster/events.js';
import { cluster_id, instance_id, oneServer } from '../testing/one-server.js';
import { Clusters } from './clusters.js';
import { ClusterWatches } from './cluster-watches.js';
import { KubeApis } from './kube-api.js';
import { STRANGER_GRACE_MS, STRANGER_PAUSE_MS } from './stranger-watch.js';

const accountId = 'account-00000000-0000-4000-8000-000000000001';
const node = (name: string) => JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name } });

/** The stand-in's own API server in this process, to which whoever comes is the administrator. */
const standIn = async () => {
  const store = new Store();
  const datastore = { propose: async (txn: never) => store.apply(txn), readBarrier: async () => undefined } as never;
  const crud = new Crud(store, datastore);
  const tokens = { user: () => ({ name: 'system:admin', groups: ['system:masters'] }) } as never;
  const handler = apiHandler({ crud, datastore, serverSecret: 's', tokens, supervisor: () => undefined });
  const { key, cert } = await selfSigned();
  const server: Server = createServer({ key, cert }, (request, response) => {
    request.headers.authorization = 'Bearer administrator';
    handler(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { nodes: crud, cert, port: (server.address() as AddressInfo).port, close };
};

const kubeconfig = (cert: Buffer) => `apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {certificate-authority-data: ${cert.toString('base64')}, server: "https://[fd00::1]:6443"}}]
users: [{name: default, user: {}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
`;

describe('a Node that somebody makes in a cluster’s API', () => {
  it('is told after its grace by the watch of that cluster, and taken back when it is deleted', async () => {
    const api = await standIn();
    const log = await oneServer();
    await log.put(
      cluster_id,
      ClusterBootstrapped({ cluster_id, name: 'c', api_endpoint: 'https://[fd00::1]:6443', failover: 'none' }),
    );
    const clusters = new Clusters(log.transactor);
    const directory = {
      clusters: new Map<string, unknown>(),
      instances: new Map([[instance_id as string, { id: instance_id, name: 's1', online: true }]]),
      clusterOfMember: () => directory.clusters.get(cluster_id),
    };
    const link = {
      liveness: () => ({ connected: true }),
      openTunnel: async () => connect(api.port, '127.0.0.1'),
    } as never;
    // The clock of this test leaps; connections are none of its business.
    const calm = { after: () => () => undefined, every: () => () => undefined } as never;
    const apis = new KubeApis(link, { get: async () => kubeconfig(api.cert) } as never, calm);
    const { clock, transactor } = log;
    const random = seededRandom(1);
    const watches = new ClusterWatches(directory as never, link, apis, transactor, clock, clock, random, silentLog);
    const told = async () => {
      const kinds: string[] = [];
      for await (const { type, data } of log.store.readStream(cluster_id))
        if (type.includes('strangers')) kinds.push(`${type} ${String(data['names'] ?? '')}`);
      return kinds;
    };
    /** Looks as the platform does every two seconds, until so many were told: what the API says comes in its own time. */
    const lookUntil = async (count: number, stepMs: number) => {
      for (;;) {
        directory.clusters.set(cluster_id, { ...(await clusters.read(cluster_id))!, accountId });
        await watches.look();
        const kinds = await told();
        if (kinds.length >= count) return kinds;
        await new Promise((resolve) => setTimeout(resolve, 20));
        await clock.advance(stepMs);
      }
    };
    try {
      const type = resourceNamed('nodes');
      await api.nodes.create(type, undefined, node('s1'));
      await api.nodes.create(type, undefined, node('intruder'));
      const found = 'system.k3s.cluster.strangers_found intruder';
      expect(await lookUntil(1, STRANGER_GRACE_MS / 10)).toEqual([found]);
      await api.nodes.delete({ type, namespace: undefined, name: 'intruder' }, {});
      expect(await lookUntil(2, STRANGER_PAUSE_MS)).toEqual([found, 'system.k3s.cluster.strangers_gone ']);
    } finally {
      watches.onModuleDestroy();
      await api.close();
    }
  });
});
