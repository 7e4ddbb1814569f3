import type { Lab } from '../../../apps/lab/src/lab.js';
import { until } from '../../../apps/lab/src/processes.js';
import type { TellingClient } from './telling-client.js';

export const MACHINES = ['k3s-server-1', 'k3s-worker-1'] as const;
const [SERVER, WORKER] = MACHINES;
const PATIENCE_MS = 90_000;

export interface Made {
  readonly kubeconfig: string;
  readonly grantToken: string;
  readonly bootstrapUrl: string;
  readonly devicePublicKey: string;
}

/** Tutorial 04 with one server and one worker: everything in it that makes a secret. */
export const playShortTutorial = async (client: TellingClient, lab: Lab): Promise<Made> => {
  const { network } = await client.call<{ network: { id: string } }>('system_sdwan_create_network', { name: 'prod' });
  const instances: string[] = [];
  for (const hostname of MACHINES) {
    await client.call('system_create_template', { name: `${hostname}-template` });
    const node_template_id = `${hostname}-template`;
    const { node } = await client.call<{ node: { id: string } }>('system_create_node', { hostname, node_template_id });
    const { instance } = await client.call<{ instance: { id: string } }>('system_provision_instance', {
      node_id: node.id,
      driver: 'lab',
    });
    await client.call('system_sdwan_attach_peer', { network_id: network.id, node_instance_id: instance.id });
    instances.push(instance.id);
  }
  await waitFor('both instances run', async () => {
    const listed = await client.call<{ instances: { status: string }[] }>('system_list_instances');
    return listed.instances.filter((i) => i.status === 'running').length === 2;
  });
  const assign = (host: string, module_name: string) =>
    client.call('system_assign_module_to_template', { template_id: `${host}-template`, module_name });
  await assign(SERVER, 'k3s-server');
  const grant = await client.call<{ token: string; bootstrap_url: string }>('system_sdwan_create_access_grant', {
    network_id: network.id,
    name: 'workstation',
  });
  await lab.joinWorkstation(grant.bootstrap_url);
  await waitFor('the cluster is active', () => clusterIs(client, 'active'));
  await assign(WORKER, 'k3s-agent');
  await waitFor('the worker is ready', async () => {
    const { nodes } = await client.call<{ nodes: { role: string; status: string }[] }>('kubernetes_list_nodes', {
      cluster_id: 'k3s-cluster-1',
    });
    return nodes.some((node) => node.role === 'worker' && node.status === 'ready');
  });
  const { kubeconfig } = await client.call<{ kubeconfig: string }>('kubernetes_get_kubeconfig', {
    cluster_id: 'k3s-cluster-1',
  });
  const { peers } = await client.call<{ peers: { public_key: string | null; kind?: string; name: string }[] }>(
    'system_sdwan_list_peers',
    { network_id: network.id },
  );
  const device = peers.find((peer) => peer.name === 'workstation')!;
  return {
    kubeconfig,
    grantToken: grant.token,
    bootstrapUrl: grant.bootstrap_url,
    devicePublicKey: device.public_key!,
  };
};

/** The end of the cluster and of a machine; resolves when that is written down. */
export const endShortTutorial = async (client: TellingClient): Promise<void> => {
  await client.call('kubernetes_decommission_cluster', { cluster_id: 'k3s-cluster-1' });
  const { instances } = await client.call<{ instances: { id: string }[] }>('system_list_instances');
  await client.call('system_terminate_instance', { id: instances[0]!.id });
  await waitFor('it is written down that the secrets are shredded', async () => {
    const { events } = await client.call<{ events: object[] }>('recent_events', {
      kind_prefix: 'system.access.secrets_shredded',
      limit: 10,
    });
    return events.length === 1;
  });
};

const clusterIs = async (client: TellingClient, status: string): Promise<boolean> => {
  const { clusters } = await client.call<{ clusters: { status: string }[] }>('kubernetes_list_clusters');
  return clusters[0]?.status === status;
};

const waitFor = (what: string, condition: () => Promise<boolean>) => until(what, condition, PATIENCE_MS, 150);
