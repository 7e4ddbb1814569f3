import { until } from '../../apps/lab/src/processes.js';
import { LabRig } from './support/lab-rig.js';
import { describeWithRealParts } from './support/with-real-parts.js';

const MACHINES = ['at-once-1', 'at-once-2', 'at-once-3'];
interface Node {
  readonly instance_id: string;
  readonly role: string;
  readonly status: string;
}

/** Random interleavings of the same: test/one-cluster. */
describeWithRealParts('three servers that are started at once', { tools: ['nft'] }, () => {
  let rig: LabRig;

  beforeAll(async () => {
    rig = await LabRig.create({ hosts: MACHINES });
  });
  afterAll(async () => {
    await rig?.close();
  });

  const nodes = async (): Promise<Node[]> => {
    const { clusters } = await rig.operator.call<{ clusters: { id: string }[] }>('kubernetes_list_clusters');
    if (clusters.length === 0) return [];
    return (await rig.operator.call<{ nodes: Node[] }>('kubernetes_list_nodes', { cluster_id: clusters[0]!.id })).nodes;
  };
  const ca = async (machine: string): Promise<string> => {
    const { code, stdout } = await rig.lab.exec(machine, ['cat', '/var/lib/rancher/k3s/server/tls/server-ca.crt']);
    expect(code).toBe(0);
    return stdout;
  };

  /**
   * The others' Kubernetes cannot be reached: joining begins and does not get on. Who dies then was never counted on; a second
   * member that dies takes the quorum of two with it, and by the clock alone nobody knows which of both it was.
   */
  const closeOthersApi = (machine: string) =>
    sh(
      machine,
      `nft 'add table inet test_wall; add chain inet test_wall out { type filter hook output priority 0; };
       add rule inet test_wall out oifname != "lo" tcp dport 6443 drop'`,
    );
  const openOthersApi = (machine: string) => sh(machine, 'nft delete table inet test_wall');
  const sh = async (machine: string, script: string): Promise<void> => {
    const { code, stderr } = await rig.lab.exec(machine, ['sh', '-ec', script]);
    expect([code, stderr]).toEqual([0, '']);
  };

  it('are one cluster, also when one of them dies while it joins', async () => {
    const { operator, lab } = rig;
    await Promise.all(MACHINES.map(closeOthersApi));
    await operator.call('system_sdwan_create_network', { name: 'at-once' });
    await operator.call('system_create_template', { name: 'servers' });
    await operator.call('system_assign_module_to_template', { template_id: 'servers', module_name: 'k3s-server' });
    const instances = new Map<string, string>();
    for (const name of MACHINES) {
      await operator.call('system_create_node', { hostname: name, node_template_id: 'servers' });
      const made = await operator.call<{ instance: { id: string } }>('system_provision_instance', {
        node_id: name,
        driver: 'lab',
      });
      instances.set(made.instance.id, name);
      await operator.call('system_sdwan_attach_peer', { network_id: 'at-once', node_instance_id: name });
    }
    const joining = async () => {
      const all = await nodes();
      return all.some(({ status }) => status === 'ready') ? all.filter(({ status }) => status === 'joining') : [];
    };
    await until('one is the cluster, another joins it', async () => (await joining()).length > 0, 120_000, 50);
    const victim = (await joining())[0]!.instance_id;
    const machine = instances.get(victim)!;
    const k3sRuns = async () => (await lab.exec(machine, ['pgrep', '-f', 'k3s server'])).code === 0;
    await until('its K3s has begun', k3sRuns, 120_000, 50);
    await lab.kill9Host(machine);
    await Promise.all(MACHINES.filter((name) => name !== machine).map(openOthersApi));
    const others = async () =>
      (await nodes()).filter(({ instance_id, status }) => instance_id !== victim && status === 'ready');
    // The dead one does not hold up the third.
    await until('the other two are in the cluster', async () => (await others()).length === 2, 120_000, 200);
    await lab.addHost(machine);
    const ready = async () => (await nodes()).filter(({ status }) => status === 'ready');
    await until('all three are', async () => (await ready()).length === 3, 120_000, 200);
    expect((await ready()).map(({ role }) => role)).toEqual(Array(3).fill('control-plane'));
    expect(new Set(await Promise.all(MACHINES.map(ca))).size).toBe(1);
    const { clusters } = await operator.call<{ clusters: object[] }>('kubernetes_list_clusters', {
      include_decommissioned: true,
    });
    expect(clusters).toMatchObject([{ fault_tolerance: 1, datastore: 'etcd', status: 'active' }]);
  }, 360_000);
});
