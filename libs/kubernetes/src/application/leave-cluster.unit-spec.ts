import { ManualClock } from '#kernel';
import type { KubeApi } from './kube-api.js';
import { ETCD_ROLE_LABEL, leaveCluster, REMOVE_ANNOTATION, REMOVED_ANNOTATION } from './leave-cluster.js';

const absent = () => Promise.reject(Object.assign(new Error('not found'), { code: 404 }));

interface Node {
  metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> };
}

/** One node of a cluster; `member` is what becomes of its etcd member once K3s is asked to remove it. */
const clusterWith = (options: { etcd: boolean; member?: 'removed' | 'stuck'; node?: boolean; password?: boolean }) => {
  const labels: Record<string, string> = options.etcd ? { [ETCD_ROLE_LABEL]: 'true' } : {};
  let node: Node | undefined =
    options.node === false ? undefined : { metadata: { name: 'n', labels, annotations: {} } };
  let password = options.password ?? true;
  const did: string[] = [];
  const core = {
    readNode: () => (node === undefined ? absent() : Promise.resolve(node)),
    patchNode: async ({ body }: { body: { metadata: { annotations: Record<string, string> } } }) => {
      did.push('annotate');
      Object.assign(node!.metadata.annotations, body.metadata.annotations);
      if (options.member !== 'stuck' && node!.metadata.annotations[REMOVE_ANNOTATION] === 'true')
        node!.metadata.annotations[REMOVED_ANNOTATION] = 'n-1234';
    },
    deleteNode: () => {
      if (node === undefined) return absent();
      did.push('delete node');
      node = undefined;
      return Promise.resolve({});
    },
    deleteNamespacedSecret: ({ name }: { name: string }) => {
      if (!password) return absent();
      did.push(`delete ${name}`);
      password = false;
      return Promise.resolve({});
    },
  };
  return { api: { core } as unknown as KubeApi, did };
};

const leave = async (api: KubeApi) => {
  const clock = new ManualClock();
  const left = leaveCluster(api, 'n', { boundMs: 3_000, clock, timers: clock });
  let result: Awaited<typeof left> | undefined;
  void left.then((value) => (result = value));
  for (let i = 0; i < 40 && result === undefined; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(500);
  }
  return result;
};

describe('leaving a Kubernetes cluster', () => {
  it('takes the etcd member first, then the Node, then the node password', async () => {
    const { api, did } = clusterWith({ etcd: true });
    expect(await leave(api)).toEqual({ etcdMember: 'removed', nodeObject: 'deleted', nodePassword: 'deleted' });
    expect(did).toEqual(['annotate', 'delete node', 'delete n.node-password.k3s']);
    expect(await leave(api)).toEqual({ etcdMember: 'none', nodeObject: 'absent', nodePassword: 'absent' });
  });

  it('asks nothing of etcd for a worker', async () => {
    const { api, did } = clusterWith({ etcd: false });
    expect(await leave(api)).toEqual({ etcdMember: 'none', nodeObject: 'deleted', nodePassword: 'deleted' });
    expect(did).not.toContain('annotate');
  });

  it('keeps the Node while its member is there: K3s finds the member by it', async () => {
    const { api, did } = clusterWith({ etcd: true, member: 'stuck' });
    expect(await leave(api)).toMatchObject({ etcdMember: 'still_there' });
    expect(did).toEqual(['annotate']);
  });

  it('frees the name although the Node has gone already', async () => {
    const { api, did } = clusterWith({ etcd: true, node: false });
    expect(await leave(api)).toEqual({ etcdMember: 'none', nodeObject: 'absent', nodePassword: 'deleted' });
    expect(did).toEqual(['delete n.node-password.k3s']);
  });
});
