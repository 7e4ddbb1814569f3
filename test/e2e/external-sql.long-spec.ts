import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GATEWAY_V4 } from '../../apps/lab/src/namespace.js';
import { until } from '../../apps/lab/src/processes.js';
import { SqlServer } from '../doubles/k3s/sql-server.js';
import { LabRig } from './support/lab-rig.js';
import { describeWithRealParts } from './support/with-real-parts.js';

const SERVERS = ['one', 'two'] as const;
const WORKER = 'work';
const HOSTS = [...SERVERS, WORKER];
const BOUND_MS = 180_000;
const PODS = '10.42.0.0/16';

interface Node {
  readonly instance_id: string;
  readonly name: string;
  readonly status: string;
  readonly role: string;
}
interface Cluster {
  readonly id: string;
  readonly status: string;
  readonly fault_tolerance: number;
  readonly warnings: readonly string[];
  readonly pod_cidr: string | null;
  readonly pod_network_migration: {
    readonly state: string;
    readonly done: number;
    readonly total: number;
    readonly current_instance_id: string | null;
    readonly reason: string | null;
  } | null;
}

describeWithRealParts('a cluster on an external SQL datastore', {}, () => {
  let sql: SqlServer;
  let rig: LabRig;
  const instances = new Map<string, string>();

  beforeAll(async () => {
    sql = await SqlServer.start();
    rig = await LabRig.create({
      hosts: HOSTS,
      ports: [sql.port],
      agentEnv: {
        // No machine dies here, and a busy one is to look alive.
        K3S_DOUBLE_NODE_GRACE_MS: '20000',
        K3S_DOUBLE_LEASE_RENEW_MS: '1500',
        K3S_DOUBLE_LEADER_LEASE_MS: '3000',
      },
    });
  }, BOUND_MS);
  afterAll(async () => {
    await rig?.close();
    await sql?.end();
  }, 60_000);

  const call = <T = Record<string, unknown>>(name: string, args: Record<string, unknown> = {}) =>
    rig.operator.call<T>(name, args);
  const eventually = (what: string, holds: () => Promise<boolean>) => until(what, holds, BOUND_MS, 200);
  const clusters = async () => (await call<{ clusters: Cluster[] }>('kubernetes_list_clusters')).clusters;
  const cluster = async () => (await clusters())[0]!;
  const nodes = async () => {
    const [first] = await clusters();
    return first === undefined
      ? []
      : (await call<{ nodes: Node[] }>('kubernetes_list_nodes', { cluster_id: first.id })).nodes;
  };
  const allReady = async (count: number) => {
    const all = await nodes();
    return all.length === count && all.every(({ status }) => status === 'ready');
  };
  const sh = async (host: string, script: string): Promise<string> => {
    const { code, stdout, stderr } = await rig.lab.exec(host, ['sh', '-c', script]);
    if (code !== 0) throw new Error(`${host}: ${script}: ${stderr}`);
    return stdout;
  };
  const kubectl = (host: string, rest: string) =>
    sh(host, `kubectl --kubeconfig=/etc/rancher/k3s/k3s.yaml --request-timeout=5s ${rest}`);
  const provision = async (host: string, template: string): Promise<void> => {
    await call('system_create_node', { hostname: host, node_template_id: template });
    const args = { node_id: host, driver: 'lab', cni_plugin: 'flannel' };
    const { instance } = await call<{ instance: { id: string } }>('system_provision_instance', args);
    instances.set(host, instance.id);
    await call('system_sdwan_attach_peer', { network_id: 'net', node_instance_id: instance.id });
  };

  it(
    'has two servers that start at once and a worker; either server may be lost',
    async () => {
      await call('system_sdwan_create_network', { name: 'net' });
      for (const module_name of ['k3s-server', 'k3s-agent']) {
        await call('system_create_template', { name: module_name });
        const config = module_name === 'k3s-server' ? { config: { datastore_endpoint: sql.endpoint(GATEWAY_V4) } } : {};
        await call('system_assign_module_to_template', { template_id: module_name, module_name, ...config });
      }
      for (const host of SERVERS) await provision(host, 'k3s-server');
      await provision(WORKER, 'k3s-agent');
      await eventually('all three are ready', () => allReady(3));
      expect(await clusters()).toMatchObject([
        { status: 'active', datastore: 'external', fault_tolerance: 1, warnings: [expect.stringMatching(/database/)] },
      ]);
      const ca = 'cat /var/lib/rancher/k3s/server/tls/server-ca.crt';
      expect(await sh('one', ca)).toBe(await sh('two', ca));
      expect(await kubectl('two', 'get nodes')).toMatch(/^one +Ready +control-plane,master /m);
    },
    BOUND_MS,
  );

  it('keeps its password in the servers’ configuration (0600) and nowhere else', async () => {
    for (const host of HOSTS) {
      expect(await sh(host, 'cat /proc/[0-9]*/cmdline | tr "\\0" " "')).not.toContain(sql.password);
      const holding = await sh(
        host,
        `grep -rlFe '${sql.password}' /etc/rancher /var/lib/rancher /var/lib/drover-agent /run || true`,
      );
      const files = holding.trim().split('\n');
      expect(files).toEqual(host === WORKER ? [''] : ['/etc/rancher/k3s/config.yaml']);
      if (host !== WORKER) expect(await sh(host, `stat -c %a ${files.join(' ')}`)).toBe('600\n');
      expect(readFileSync(rig.lab.agent(host).logFile, 'utf8')).not.toContain(sql.password);
    }
    const { events } = await call<{ events: object[] }>('recent_events', { limit: 200 });
    expect(events.length).toBeGreaterThan(10);
    expect(JSON.stringify(events)).not.toContain(sql.password);
    expect(readFileSync(join(rig.dataDir, 'platform.log'), 'utf8')).not.toContain(sql.password);
  }, 240_000);

  it(
    'is given another server token, which the database is encrypted with from then on',
    async () => {
      const token = async (host: string) => (await sh(host, 'cat /var/lib/rancher/k3s/server/token')).trim();
      const keys = () =>
        sql.query<{ name: string }>(
          `SELECT name FROM (SELECT DISTINCT ON (name) name, deleted FROM kine WHERE starts_with(name, '/bootstrap/') ORDER BY name, id DESC) AS k WHERE deleted = 0`,
          'kubernetes',
        );
      const [before] = await keys();
      const old = await token('one');
      const cluster_id = (await cluster()).id;
      await call('kubernetes_rotate_server_token', { cluster_id });
      type Upgrade = { upgrade: { state: string; last_error: string | null } };
      await eventually('both servers have it', async () => {
        const { upgrade } = await call<Upgrade>('kubernetes_get_upgrade', { cluster_id });
        if (upgrade.state === 'stopped') throw new Error(upgrade.last_error ?? '');
        return upgrade.state === 'completed';
      });
      expect(await token('one')).not.toBe(old);
      expect(await token('two')).toBe(await token('one'));
      const after = await keys();
      expect([after.length, after[0]!.name === before!.name]).toEqual([1, false]);
      await eventually('all three are ready', () => allReady(3));
    },
    BOUND_MS,
  );

  it(
    'moves its pods to the overlay node by node: a killed platform goes on, a node that hangs stops it',
    async () => {
      const pods = new Map<string, string>();
      for (const host of HOSTS) {
        const range = await kubectl('one', `get node ${host} -o jsonpath={.spec.podCIDR}`);
        expect(range).toMatch(/^10\.42\.\d+\.0\/24$/);
        pods.set(host, range.replace('0/24', '7'));
        // What a CNI does on a node: a link with the node's range.
        const link = 'ip link add cni0 type veth peer name pod0 && ip link set pod0 up';
        await sh(host, `${link} && ip addr add ${pods.get(host)}/24 dev cni0 && ip link set cni0 up`);
      }
      const pings = async (from: string, to: string) => {
        const argv = ['ping', '-n', '-c', '2', '-i', '0.2', '-W', '1', '-I', pods.get(from)!, pods.get(to)!];
        return (await rig.lab.exec(from, argv)).stdout.includes('2 received');
      };
      expect(await pings('one', WORKER)).toBe(false);
      await expect(
        call('system_sdwan_update_network', { network_id: 'net', pod_subnet_prefix: '10.60.0.0/16' }),
      ).rejects.toThrow(/pod_subnet_prefix_immutable[\s\S]*10\.42\.0\.0\/16/);
      // Its K3s goes on, but will not be let in again: another machine's word for this name.
      const password = '/etc/rancher/node/password';
      await sh(WORKER, `cp ${password} ${password}.own && echo somebody-elses > ${password}`);
      await call('system_sdwan_update_network', { network_id: 'net', pod_subnet_prefix: PODS });
      const migration = async () => (await cluster()).pod_network_migration;
      await eventually('the first server is moved', async () => ((await migration())?.done ?? 0) >= 1);
      await rig.platform.stop('SIGKILL');
      await rig.platform.start();
      await rig.reconnect();
      await eventually('both servers are moved', async () => (await migration())?.done === 2);
      const cluster_id = (await cluster()).id;
      await call('kubernetes_set_lifecycle_policy', { cluster_id, migration_node_seconds: 5 });
      await eventually('the worker holds it up', async () => (await migration())?.state === 'paused');
      expect(await migration()).toMatchObject({
        done: 2,
        total: 3,
        reason: expect.stringMatching(/work/),
        next_action: expect.stringMatching(/kubernetes_resume_pod_network_migration/),
      });
      const config = (host: string) => sh(host, 'cat /etc/rancher/k3s/config.yaml');
      await call('kubernetes_set_lifecycle_policy', { cluster_id, migration_node_seconds: 600 });
      await sh(WORKER, `mv ${password}.own ${password}`);
      await eventually('the worker is back', () => allReady(3));
      await call('kubernetes_resume_pod_network_migration', { cluster_id });
      await eventually('all have moved', async () => (await migration())?.state === 'completed');
      const { network } = await call<{ network: { interface_name: string } }>('system_sdwan_get_network', {
        network_id: 'net',
      });
      for (const host of HOSTS) expect(await config(host)).toContain(`flannel-iface: "${network.interface_name}"`);
      expect(await config('one')).toMatch(/flannel-backend: "host-gw"\ncluster-cidr: "10\.42\.0\.0\/16"/);
      for (const [from, to] of [
        ['one', WORKER],
        [WORKER, 'two'],
        ['two', 'one'],
      ] as const)
        await eventually(`a pod of ${from} reaches one of ${to}`, () => pings(from, to));
      const route = await sh('one', `ip route get ${pods.get(WORKER)}`);
      expect(route).toContain(`dev ${network.interface_name}`);
    },
    2 * BOUND_MS,
  );
});
