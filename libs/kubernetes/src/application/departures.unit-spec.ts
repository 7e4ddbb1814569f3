import { ManualClock, silentLog } from '#kernel';
import type { Transactor } from '#processing';
import type { Cluster } from '../domain/cluster/state.js';
import { Departures } from './departures.js';
import { KubernetesDirectory } from './directory.js';
import type { KubeApis } from './kube-api.js';

const absent = () => Promise.reject(Object.assign(new Error('not found'), { code: 404 }));
const cluster = { id: 'cluster-1', name: 'c', kubeconfigRef: 'r', nodes: new Map() } as unknown as Cluster;

/** A cluster whose Kubernetes knows a node `n` from its earlier life; `down`: no server answers. */
const world = (options: { borne: boolean; down?: boolean }) => {
  const did: string[] = [];
  const core = {
    readNode: async () => ({ metadata: { name: 'n', labels: {} } }),
    deleteNode: async ({ name }: { name: string }) => did.push(`delete node ${name}`),
    deleteNamespacedSecret: async ({ name, namespace }: { name: string; namespace: string }) => {
      if (did.includes(`delete ${namespace}/${name}`)) return absent();
      did.push(`delete ${namespace}/${name}`);
      return {};
    },
  };
  let opened = 0;
  const apis = {
    open: async () => {
      opened++;
      if (options.down === true) throw new Error('no server of c has a connected agent');
      return { core, close: async () => undefined };
    },
  } as unknown as KubeApis;
  const directory = new KubernetesDirectory();
  directory.instances.set('i', { id: 'i', name: 'n' } as never);
  if (options.borne) directory.namesEver.add('cluster-1 n');
  const clock = new ManualClock();
  const none = {} as never;
  const departures = new Departures({} as Transactor, none, clock, clock, silentLog, directory, apis);
  return { departures, did, opened: () => opened };
};

describe('a machine that was installed anew and joins under its old name', () => {
  it('finds no password of its earlier life in the way of a worker, whose Node stays', async () => {
    const { departures, did } = world({ borne: true });
    await departures.clearName(cluster, 'i', 'agent');
    expect(did).toEqual(['delete kube-system/n.node-password.k3s']);
    await departures.clearName(cluster, 'i', 'agent');
    expect(did).toHaveLength(1);
  });

  it('finds neither Node nor password in the way of a server', async () => {
    const { departures, did } = world({ borne: true });
    await departures.clearName(cluster, 'i', 'server');
    expect(did).toEqual(['delete node n', 'delete kube-system/n.node-password.k3s']);
  });

  it('waits while no server answers: it would be refused by K3s', async () => {
    const { departures } = world({ borne: true, down: true });
    await expect(departures.clearName(cluster, 'i', 'agent')).rejects.toThrow('no server');
  });

  it('asks nothing of Kubernetes when the name is new there', async () => {
    const { departures, did, opened } = world({ borne: false, down: true });
    await departures.clearName(cluster, 'i', 'server');
    expect([did, opened()]).toEqual([[], 0]);
  });
});
