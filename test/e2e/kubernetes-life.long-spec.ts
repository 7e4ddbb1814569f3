import { writeFileSync } from 'node:fs';
import { until } from '../../apps/lab/src/processes.js';
import { LabRig } from './support/lab-rig.js';
import { describeWithRealParts } from './support/with-real-parts.js';

const [SERVER, WORKER, SPARE] = ['s1', 'w1', 's2'];
const BOUND_MS = 120_000;

interface Event {
  readonly kind: string;
  readonly payload: Readonly<Record<string, unknown>>;
}
interface Snapshots {
  readonly snapshots: readonly { id: string; status: string; size_bytes: number; error: string | null }[];
  readonly restores: readonly { status: string; steps: string[]; error: string | null }[];
}

const labels = { app: 'web' };
const OBJECTS = [
  {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'web' },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'nginx' }] } },
    },
  },
  {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'web' },
    spec: { minAvailable: 1, selector: { matchLabels: labels } },
  },
];

describeWithRealParts('a node’s and a cluster’s life through the Kubernetes API', {}, () => {
  let rig: LabRig;
  let cluster_id: string;
  const instances = new Map<string, string>();

  beforeAll(async () => {
    rig = await LabRig.create({
      hosts: [SERVER!, WORKER!, SPARE!],
      agentEnv: { K3S_DOUBLE_NODE_GRACE_MS: '4000', K3S_DOUBLE_LEASE_RENEW_MS: '1000' },
    });
  }, BOUND_MS);
  afterAll(() => rig?.close());

  const call = <T = Record<string, unknown>>(name: string, args: Record<string, unknown>) =>
    rig.operator.call<T>(name, args);
  const eventually = (what: string, holds: () => Promise<boolean>) => until(what, holds, BOUND_MS, 250);
  const events = async (kind_prefix: string) =>
    (await call<{ events: Event[] }>('recent_events', { kind_prefix, limit: 100 })).events;
  const kubectl = async (host: string, script: string): Promise<string> => {
    const kubeconfig = '--kubeconfig=/etc/rancher/k3s/k3s.yaml';
    const { code, stdout, stderr } = await rig.lab.exec(host, [
      'sh',
      '-c',
      script.replaceAll('kubectl', `kubectl ${kubeconfig}`),
    ]);
    if (code !== 0) throw new Error(`${script}: ${stderr}`);
    return stdout;
  };
  const provision = async (host: string, template: string) => {
    await call('system_create_node', { hostname: host, node_template_id: template });
    const args = { node_id: host, driver: 'lab', cni_plugin: 'flannel' };
    const { instance } = await call<{ instance: { id: string } }>('system_provision_instance', args);
    instances.set(host, instance.id);
    await call('system_sdwan_attach_peer', { network_id: 'net', node_instance_id: instance.id });
  };
  const state = async (host: string) =>
    (await call<{ instance: { state: string } }>('system_get_instance', { id: instances.get(host) })).instance.state;

  it(
    'has a server and a worker that Kubernetes calls Ready',
    async () => {
      await call('system_sdwan_create_network', { name: 'net' });
      for (const [host, module_name] of [
        [SERVER!, 'k3s-server'],
        [WORKER!, 'k3s-agent'],
      ] as const) {
        await call('system_create_template', { name: module_name });
        await call('system_assign_module_to_template', { template_id: module_name, module_name });
        await provision(host, module_name);
      }
      await eventually('both nodes are ready', async () => {
        const { clusters } = await call<{ clusters: { id: string; status: string }[] }>('kubernetes_list_clusters', {});
        cluster_id = clusters[0]?.id ?? '';
        if (clusters[0]?.status !== 'active') return false;
        const { nodes } = await call<{ nodes: { status: string }[] }>('kubernetes_list_nodes', { cluster_id });
        return nodes.length === 2 && nodes.every((node) => node.status === 'ready');
      });
    },
    BOUND_MS,
  );

  it(
    'gives the workstation’s kubectl a kubeconfig of its own, and takes it back at once',
    async () => {
      const { networks } = await call<{ networks: { id: string }[] }>('system_sdwan_list_networks', {});
      const grant = { network_id: networks[0]!.id, name: 'workstation' };
      const { bootstrap_url } = await call<{ bootstrap_url: string }>('system_sdwan_create_access_grant', grant);
      await rig.lab.joinWorkstation(bootstrap_url);
      const issued = await call<{ issue_id: string; kubeconfig: string }>('kubernetes_issue_kubeconfig', {
        cluster_id,
      });
      writeFileSync(rig.lab.kubeconfig, issued.kubeconfig, { mode: 0o600 });
      const ask = (what: string) =>
        rig.lab.exec('workstation', ['kubectl', '--request-timeout=5s', 'get', what, '--all-namespaces', '-o', 'name']);
      await eventually('it may look', async () => (await ask('services')).stdout.includes('service/kubernetes'));
      // The role is view: not what is secret.
      const secrets = await ask('secrets');
      expect([secrets.code === 0, secrets.stdout, secrets.stderr]).toEqual([
        false,
        '',
        expect.stringMatching(/forbidden/i),
      ]);
      await call('kubernetes_revoke_kubeconfig', { issue_id: issued.issue_id });
      const after = await ask('services');
      expect([after.code === 0, after.stderr]).toEqual([
        false,
        expect.stringMatching(/unauthorized|forbidden|logged in|credentials/i),
      ]);
      expect(await kubectl(SERVER!, 'kubectl get serviceaccounts -n kube-system -o name')).not.toContain('drover');
      expect(await events('system.k3s.kubeconfig.revoked')).toHaveLength(1);
    },
    BOUND_MS,
  );

  it(
    'drains a worker: a disruption budget is respected and named, and the drain ends when it lets go',
    async () => {
      await kubectl(SERVER!, 'kubectl cordon s1');
      const documents = OBJECTS.map((object) => JSON.stringify(object)).join('\n');
      await kubectl(SERVER!, `printf %s '${documents}' | kubectl create -f -`);
      await eventually('the pod runs on the worker', async () =>
        /Running +.* w1 /.test(await kubectl(SERVER!, 'kubectl get pods -o wide')),
      );
      await kubectl(SERVER!, 'kubectl uncordon s1');
      await call('system_drain_instance', { id: instances.get(WORKER!), timeout_seconds: 300 });
      const blocked = () => events('system.k3s.node.drain_progress');
      await eventually('the budget is named', async () =>
        (await blocked()).some(({ payload }) => String(payload['blocked']).startsWith('default/web-')),
      );
      expect(await state(WORKER!)).toBe('draining');
      await kubectl(SERVER!, 'kubectl delete poddisruptionbudget web');
      await eventually('the worker is drained', async () => (await state(WORKER!)) === 'drained');
      const [drained] = await events('system.instance.drained');
      expect(drained?.payload).toMatchObject({ evicted_pods: 1, warnings: [] });
      await eventually('the pod runs on the server', async () =>
        /Running +.* s1 /.test(await kubectl(SERVER!, 'kubectl get pods -o wide')),
      );
    },
    BOUND_MS,
  );

  it(
    'terminates it: neither its Node nor its password is left in Kubernetes',
    async () => {
      expect(await call('system_terminate_instance', { id: instances.get(WORKER!) })).toMatchObject({
        terminated: true,
      });
      await eventually('its leaving is recorded', async () => (await events('system.k3s.node.left')).length === 1);
      expect(await kubectl(SERVER!, 'kubectl get nodes -o name')).toBe('node/s1\n');
      expect(await kubectl(SERVER!, 'kubectl get secrets -n kube-system -o name')).not.toContain('w1.node-password');
    },
    BOUND_MS,
  );

  it(
    'takes a snapshot, loses its only server, and goes on from the snapshot on a new machine',
    async () => {
      await kubectl(SERVER!, 'kubectl create configmap before --from-literal=a=b');
      const { snapshot } = await call<{ snapshot: { id: string } }>('kubernetes_create_snapshot', { cluster_id });
      const list = () => call<Snapshots>('kubernetes_list_snapshots', { cluster_id });
      await eventually('it is available', async () => {
        const [one] = (await list()).snapshots;
        if (one?.status === 'failed') throw new Error(one.error ?? '');
        return one?.status === 'available' && one.size_bytes > 0;
      });
      await kubectl(SERVER!, 'kubectl create configmap after --from-literal=a=b');
      await rig.lab.kill9Host(SERVER!);
      await eventually('the cluster is degraded', async () => (await events('system.k3s.cluster.degraded')).length > 0);
      await provision(SPARE!, 'k3s-server');
      await eventually('the spare is there', async () => (await state(SPARE!)) === 'running');
      const restore = { snapshot_id: snapshot.id, instance_id: SPARE };
      await expect(call('kubernetes_restore_snapshot', restore)).rejects.toThrow(/servers_not_connected|not connected/);
      await call('kubernetes_restore_snapshot', { ...restore, force: true });
      await eventually('the restore is completed', async () => {
        const [restore] = (await list()).restores;
        if (restore?.status === 'failed') throw new Error(restore.error ?? '');
        return restore?.status === 'completed' && restore.steps.length === 5;
      });
      const maps = await kubectl(SPARE!, 'kubectl get configmaps -o name');
      expect(maps).toContain('configmap/before');
      expect(maps).not.toContain('configmap/after');
      // The lost one is forgotten, and with it its etcd member's Node.
      await call('system_forget_instance', { id: instances.get(SERVER!) });
      await eventually('the new server is the only one', async () => {
        const { nodes } = await call<{ nodes: { name: string; status: string }[] }>('kubernetes_list_nodes', {
          cluster_id,
        });
        return nodes.length === 1 && nodes[0]!.name === SPARE && nodes[0]!.status === 'ready';
      });
      await eventually(
        'Kubernetes knows it no more',
        async () => (await kubectl(SPARE!, 'kubectl get nodes -o name')) === 'node/s2\n',
      );
    },
    2 * BOUND_MS,
  );
});
