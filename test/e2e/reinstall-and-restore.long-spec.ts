import { until } from '../../apps/lab/src/processes.js';
import { LabRig } from './support/lab-rig.js';
import { describeWithRealParts } from './support/with-real-parts.js';

const SERVERS = ['s1', 's2', 's3'] as const;
const ALL = 4;
const WORKER = 'w1';
const BOUND_MS = 300_000;

interface Node {
  readonly instance_id: string;
  readonly name: string;
  readonly status: string;
}
interface Snapshots {
  readonly snapshots: readonly { id: string; status: string; error: string | null }[];
  readonly restores: readonly { status: string; error: string | null; warnings: readonly string[] }[];
}

describeWithRealParts('machines that come back', {}, () => {
  let rig: LabRig;
  let cluster_id: string;
  const instances = new Map<string, string>();

  beforeAll(async () => {
    const agentEnv = { K3S_DOUBLE_NODE_GRACE_MS: '4000', K3S_DOUBLE_LEASE_RENEW_MS: '1000' };
    rig = await LabRig.create({ hosts: [...SERVERS, WORKER], agentEnv });
  }, BOUND_MS);
  afterAll(() => rig?.close(), 180_000);

  const call = <T = Record<string, unknown>>(name: string, args: Record<string, unknown> = {}) =>
    rig.operator.call<T>(name, args);
  const eventually = (what: string, holds: () => Promise<boolean>) => until(what, holds, BOUND_MS, 200);
  const sh = async (host: string, script: string): Promise<string> => {
    const { code, stdout, stderr } = await rig.lab.exec(host, ['sh', '-c', script]);
    if (code !== 0) throw new Error(`${host}: ${script}: ${stderr}`);
    return stdout;
  };
  const kubectl = (host: string, rest: string) => sh(host, `kubectl --kubeconfig=/etc/rancher/k3s/k3s.yaml ${rest}`);
  const provision = async (host: string) => {
    const args = { node_id: host, driver: 'lab', cni_plugin: 'flannel' };
    const { instance } = await call<{ instance: { id: string } }>('system_provision_instance', args);
    instances.set(host, instance.id);
    await call('system_sdwan_attach_peer', { network_id: 'net', node_instance_id: instance.id });
  };
  const allReady = async () => {
    const { clusters } = await call<{ clusters: { id: string }[] }>('kubernetes_list_clusters');
    if (clusters.length > 1) throw new Error('there is a second cluster');
    if (clusters.length === 0) return false;
    cluster_id = clusters[0]!.id;
    const { nodes } = await call<{ nodes: Node[] }>('kubernetes_list_nodes', { cluster_id });
    return (
      nodes.length === ALL &&
      nodes.every(({ status, instance_id }) => status === 'ready' && [...instances.values()].includes(instance_id))
    );
  };

  it(
    'are a cluster of three servers and a worker first',
    async () => {
      await call('system_sdwan_create_network', { name: 'net' });
      for (const [name, hosts] of [
        ['k3s-server', SERVERS],
        ['k3s-agent', [WORKER]],
      ] as const) {
        await call('system_create_template', { name });
        await call('system_assign_module_to_template', { template_id: name, module_name: name });
        for (const hostname of hosts) {
          await call('system_create_node', { hostname, node_template_id: name });
          await provision(hostname);
        }
      }
      await eventually('all are ready', allReady);
    },
    BOUND_MS,
  );

  it(
    'restores a snapshot while all servers live: the others are halted, set their data aside and join again',
    async () => {
      await kubectl('s1', 'create configmap before --from-literal=a=b');
      const { snapshot } = await call<{ snapshot: { id: string } }>('kubernetes_create_snapshot', { cluster_id });
      const list = () => call<Snapshots>('kubernetes_list_snapshots', { cluster_id });
      await eventually('it is available', async () => (await list()).snapshots[0]?.status === 'available');
      await kubectl('s2', 'create configmap after --from-literal=a=b');
      await call('kubernetes_restore_snapshot', { snapshot_id: snapshot.id, instance_id: instances.get('s2') });
      await eventually('the restore is completed', async () => {
        const [restore] = (await list()).restores;
        if (restore?.status === 'failed') throw new Error(restore.error ?? '');
        return restore?.status === 'completed';
      });
      expect((await list()).restores).toMatchObject([{ warnings: [] }]);
      await eventually('all are ready again', allReady);
      for (const host of SERVERS) {
        const maps = await kubectl(host, 'get configmaps -o name');
        expect([maps.includes('configmap/before'), maps.includes('configmap/after')]).toEqual([true, false]);
      }
      // All are members of one etcd: what one writes the others have.
      await kubectl('s1', 'create configmap both --from-literal=a=b');
      expect(await kubectl('s2', 'get configmaps -o name')).toContain('configmap/both');
    },
    2 * BOUND_MS,
  );

  it(
    'makes certificates anew: a server whose machine dies in the middle stops that, and when it is back it goes on by itself',
    async () => {
      type Upgrade = {
        upgrade: { state: string; next_action: string | null; nodes: { name: string; phase: string }[] };
      };
      const upgrade = async () => (await call<Upgrade>('kubernetes_get_upgrade', { cluster_id })).upgrade;
      await call('kubernetes_rotate_certificates', { cluster_id, drain: false, node_timeout_seconds: 30 });
      let dead = '';
      await eventually('a server has begun', async () => {
        const { nodes } = await upgrade();
        dead = nodes.find(({ phase }) => phase === 'changing' || phase === 'verifying')?.name ?? '';
        return dead !== '';
      });
      await rig.lab.kill9Host(dead);
      await eventually('it is missed', async () => (await upgrade()).state === 'stopped');
      expect((await upgrade()).next_action).toMatch(/^it goes on by itself when all servers are ready again/);
      await rig.lab.addHost(dead);
      await eventually('all have new certificates', async () => (await upgrade()).state === 'completed');
      expect((await upgrade()).nodes.map(({ phase }) => phase)).toEqual(Array.from({ length: ALL }, () => 'done'));
      await eventually('all are ready', allReady);
    },
    2 * BOUND_MS,
  );

  it.each([WORKER, 's3'])(
    'takes %s back under its old name after its machine was installed anew, with another node password',
    async (host) => {
      const hash = () => kubectl('s1', `get secret -n kube-system ${host}.node-password.k3s -o jsonpath={.data.hash}`);
      const before = await hash();
      await rig.lab.reinstall(host);
      const id = instances.get(host);
      const state = async () => (await call<{ instance: { state: string } }>('system_get_instance', { id })).instance;
      await eventually('it is missed', async () => (await state()).state === 'lost');
      await call('system_forget_instance', { id });
      await provision(host);
      await eventually('it is a member again', allReady);
      expect(await kubectl('s1', 'get nodes --no-headers')).toMatch(new RegExp(`^${host} +Ready `, 'm'));
      expect(await hash()).not.toBe(before);
    },
    2 * BOUND_MS,
  );
});
