import { Stage, type Cluster } from './stage.js';

export interface Tenant {
  /** Its network and its cluster are called so. */
  readonly name: string;
  readonly server: string;
  readonly worker: string;
  /** The cluster of another tenant, which must stay out of reach. */
  readonly other: { readonly clusterId: string; readonly networkId: string; readonly vip: string };
  /** True when a packet from the machine reaches the address. */
  reaches(machine: string, address: string): Promise<boolean>;
  /** True when the machine can connect to the API there. */
  opens(machine: string, address: string): Promise<boolean>;
}

interface Named {
  readonly id: string;
}
interface NodeView {
  readonly instance_id: string;
  readonly role: string;
  readonly status: string;
}

const TAG = 'operator-ws';

/** Tutorial 05 as an operator plays it, with the names of its calls as they are written there: one more tenant beside the one that is there. */
export class TenantStory extends Stage {
  private tenant!: Tenant;
  private networkId = '';

  async play(tenant: Tenant): Promise<void> {
    this.tenant = tenant;
    await this.machines();
    const cluster = await this.controlPlane();
    await this.worker(cluster);
    await this.isolation(cluster);
    await this.firewall(cluster);
    await this.takeAway(cluster);
  }

  private call<T = Record<string, unknown>>(name: string, args: Record<string, unknown> = {}): Promise<T> {
    return this.tool<T>(`platform.${name}`, args, () => '');
  }

  private async machines(): Promise<void> {
    const { name, server, worker } = this.tenant;
    this.say.chapter(`A network of its own for ${name}`);
    const { network } = await this.call<{ network: Named }>('system_sdwan_create_network', { name });
    this.networkId = network.id;
    const { template } = await this.call<{ template: Named }>('system_create_template', { name: `${name}-machines` });
    for (const hostname of [server, worker]) {
      const { node } = await this.call<{ node: Named }>('system_create_node', {
        hostname,
        node_template_id: template.id,
      });
      const { instance } = await this.call<{ instance: Named }>('system_provision_instance', {
        node_id: node.id,
        driver: this.world.driver,
      });
      this.instances.set(hostname, instance.id);
      const tags = hostname === worker ? [TAG] : [];
      await this.call('system_sdwan_attach_peer', { network_id: network.id, node_instance_id: instance.id, tags });
    }
    await this.until('both peers are connected', async () => {
      const { peers } = await this.operator.call<{ peers: { status: string }[] }>('system_sdwan_list_peers', {
        network_id: network.id,
      });
      return { done: peers.every((p) => p.status === 'connected'), now: peers.map((p) => p.status).join() };
    });
  }

  private async controlPlane(): Promise<Cluster> {
    const { name, server } = this.tenant;
    await this.give(server, `${name}-servers`, 'k3s-server', { cluster_name: name });
    const found = await this.until('its cluster is active', async () => {
      const { clusters } = await this.operator.call<{ clusters: Cluster[] }>('kubernetes_list_clusters');
      const own = clusters.find((one) => one.name === name);
      return { done: own?.status === 'active', now: own?.status ?? 'not there', ...(own && { value: own }) };
    });
    return found!;
  }

  private async worker(cluster: Cluster): Promise<void> {
    const { name, server, worker, other } = this.tenant;
    await this.give(worker, `${name}-workers`, 'k3s-agent', { target_cluster_id: cluster.id });
    const nodes = async (cluster_id: string) =>
      (await this.operator.call<{ nodes: NodeView[] }>('kubernetes_list_nodes', { cluster_id })).nodes;
    await this.until('the worker is ready in it', async () => {
      const own = await nodes(cluster.id);
      return { done: own.length === 2 && own.every((n) => n.status === 'ready'), now: JSON.stringify(own) };
    });
    const own = [server, worker].map((host) => this.instances.get(host)!);
    const elsewhere = (await nodes(other.clusterId)).filter((n) => own.includes(n.instance_id));
    if (elsewhere.length > 0) throw new Error(`machines of ${name} are in another cluster, too`);
  }

  /** A template of its own for one machine, with one module. */
  private async give(host: string, template: string, module_name: string, config: object): Promise<void> {
    await this.call('system_create_template', { name: template });
    await this.call('system_assign_module_to_template', { template_id: template, module_name, config });
    await this.call('system_update_instance', { id: this.instances.get(host), node_template_id: template });
  }

  private async isolation(cluster: Cluster): Promise<void> {
    const { worker, other, name } = this.tenant;
    for (const [of, not] of [
      [this.networkId, other.networkId],
      [other.networkId, this.networkId],
    ]) {
      const { network } = await this.call<{ network: { cidr_64: string } }>('system_sdwan_get_network', { id: not });
      const routes = await this.call('system_sdwan_get_routing_summary', { network_id: of });
      if (JSON.stringify(routes).includes(network.cidr_64.replace(/::.*/, '')))
        throw new Error('the routes of one network name the prefix of the other');
    }
    if (!(await this.tenant.reaches(worker, vipOf(cluster)))) throw new Error(`${worker} does not reach its own API`);
    if (await this.tenant.reaches(worker, other.vip)) throw new Error(`${worker} reaches beyond ${name}`);
  }

  private async firewall(cluster: Cluster): Promise<void> {
    const { name, worker } = this.tenant;
    const { cluster: whole } = await this.call<{ cluster: { virtual_ip_id: string } }>('kubernetes_get_cluster', {
      cluster_id: cluster.id,
    });
    const rule = {
      network_id: this.networkId,
      protocol: 'tcp',
      port_range: '6443',
      dst_selector: `vip:${whole.virtual_ip_id}`,
    };
    const opens = (wanted: boolean) =>
      this.until(`${worker} ${wanted ? 'opens' : 'no longer opens'} the API`, async () => {
        const now = await this.tenant.opens(worker, vipOf(cluster));
        return { done: now === wanted, now: String(now) };
      });
    await this.call('system_sdwan_create_firewall_rule', {
      ...rule,
      name: `${name}-closed`,
      priority: 200,
      action: 'drop',
    });
    await opens(false);
    const accept = { name: `${name}-operators`, priority: 100, action: 'accept', src_selector: `tag:${TAG}` };
    await this.call('system_sdwan_create_firewall_rule', { ...rule, ...accept });
    await opens(true);
  }

  private async takeAway(cluster: Cluster): Promise<void> {
    const { name } = this.tenant;
    await this.call('kubernetes_decommission_cluster', { cluster_id: cluster.id });
    for (const [host, id] of this.instances) {
      await this.call('system_terminate_instance', { id });
      await this.call('system_delete_node', { node_id: host });
    }
    await this.call('system_sdwan_delete_network', { network_id: this.networkId });
    for (const template of ['machines', 'servers', 'workers'])
      await this.call('system_delete_template', { id: `${name}-${template}` });
  }
}

const vipOf = ({ api_endpoint }: Cluster): string => /\[([^\]]+)\]/.exec(api_endpoint)![1]!;
