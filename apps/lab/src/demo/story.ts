export type { World } from './stage.js';
import { Stage, type Cluster, type EventView, type Gaps } from './stage.js';

export const SERVERS = ['k3s-server-1', 'k3s-server-2', 'k3s-server-3'] as const;
export const WORKER = 'k3s-worker-1';
const NETWORK = 'k3s-prod-net';

const TUTORIAL_ORDER = [
  'system.k3s.module.assigned',
  'system.k3s.runtime.installing',
  'system.k3s.handshake.bootstrap',
  'system.sdwan.virtual_ip.allocated',
  'system.k3s.cluster.bootstrapped',
  'system.k3s.handshake.ready',
];
const JOIN_ORDER = [
  'system.k3s.handshake.join_request',
  'system.k3s.handshake.join_token_issued',
  'system.k3s.handshake.ready',
];

export interface StoryResult {
  readonly clusterId: string;
  readonly vip: string;
  /** The longest silence between two answers to a ping while the drain moved the endpoint. */
  readonly drainGapMs: number;
  readonly gaps: Gaps;
  readonly bootstrapInstance: string;
}

/** Tutorial 04 as an operator plays it: MCP calls, kubectl on the workstation, nothing behind the curtain. */
export class Story extends Stage {
  async play(): Promise<StoryResult> {
    const networkId = await this.prepare();
    await this.machines(networkId);
    await this.workstation(networkId);
    const cluster = await this.cluster();
    await this.worker(cluster);
    await this.kubectl(cluster);
    return this.failover(cluster);
  }

  private async prepare(): Promise<string> {
    this.say.chapter('A network and two templates');
    const { network } = await this.tool<{ network: { id: string; cidr_64: string } }>(
      'system_sdwan_create_network',
      { name: NETWORK },
      (r) => `${r.network.id}, ${r.network.cidr_64}`,
    );
    for (const name of ['k3s-servers', 'k3s-workers']) {
      await this.tool<{ template: { id: string } }>('system_create_template', { name }, (r) => r.template.id);
    }
    return network.id;
  }

  private async machines(networkId: string): Promise<void> {
    this.say.chapter('Four machines: node, instance, SDWAN peer');
    for (const hostname of [...SERVERS, WORKER]) {
      const node_template_id = hostname === WORKER ? 'k3s-workers' : 'k3s-servers';
      const { node } = await this.tool<{ node: { id: string } }>(
        'system_create_node',
        { hostname, node_template_id },
        (r) => r.node.id,
      );
      const { instance } = await this.tool<{ instance: { id: string; status: string } }>(
        'system_provision_instance',
        { node_id: node.id, driver: this.world.driver },
        (r) => `${r.instance.id} is ${r.instance.status}`,
      );
      this.instances.set(hostname, instance.id);
      await this.tool<{ peer: { host_address: string } }>(
        'system_sdwan_attach_peer',
        { network_id: networkId, node_instance_id: instance.id },
        (r) => r.peer.host_address,
      );
    }
    await this.until('all four instances are running and their peers connected', async () => {
      const { instances } = await this.operator.call<{ instances: { status: string }[] }>('system_list_instances', {});
      const { peers } = await this.operator.call<{ peers: { status: string }[] }>('system_sdwan_list_peers', {
        network_id: networkId,
      });
      const running = instances.filter((i) => i.status === 'running').length;
      const connected = peers.filter((p) => p.status === 'connected').length;
      return { done: running === 4 && connected === 4, now: `${running} running, ${connected} connected` };
    });
  }

  private async workstation(networkId: string): Promise<void> {
    this.say.chapter('The operator’s workstation joins the network');
    const grant = await this.tool<{ bootstrap_url: string; token: string; grant: { id: string } }>(
      'system_sdwan_create_access_grant',
      { network_id: networkId, name: 'workstation' },
      (r) => `${r.grant.id}, single use`,
    );
    await this.say.step(
      `workstation: makes a key, redeems the grant, brings ${this.world.overlay} up`,
      () => this.world.joinWorkstation({ bootstrapUrl: grant.bootstrap_url, token: grant.token }),
      () => '',
    );
  }

  private async cluster(): Promise<Cluster> {
    this.say.chapter('The cluster: one assignment, three servers');
    await this.tool(
      'system_assign_module_to_template',
      { template_id: 'k3s-servers', module_name: 'k3s-server' },
      () => 'assigned',
    );
    const found = await this.until('the cluster is active with three ready servers', async () => {
      const { clusters } = await this.operator.call<{ clusters: Cluster[] }>('kubernetes_list_clusters', {});
      const one = clusters[0];
      if (one === undefined) return { done: false, now: 'no cluster yet' };
      const { nodes } = await this.operator.call<{ nodes: { status: string }[] }>('kubernetes_list_nodes', {
        cluster_id: one.id,
      });
      const ready = nodes.filter((n) => n.status === 'ready').length;
      return { done: one.status === 'active' && ready === 3, now: `${one.status}, ${ready} ready`, value: one };
    });
    const events = await this.tool<{ events: EventView[] }>(
      'recent_events',
      { kind_prefix: 'system.k3s', limit: 50 },
      (r) => `${r.events.length} events`,
    );
    this.expectOrder(events.events, TUTORIAL_ORDER);
    return found!;
  }

  private async worker(cluster: Cluster): Promise<void> {
    this.say.chapter('A worker joins it, and no other');
    await this.tool(
      'system_assign_module_to_template',
      { template_id: 'k3s-workers', module_name: 'k3s-agent', config: { target_cluster_id: cluster.id } },
      () => 'assigned',
    );
    await this.until('the worker is ready', async () => {
      const { nodes } = await this.operator.call<{ nodes: { role: string; status: string }[] }>(
        'kubernetes_list_nodes',
        { cluster_id: cluster.id },
      );
      const worker = nodes.find((n) => n.role === 'worker');
      return { done: worker?.status === 'ready', now: worker?.status ?? 'not there yet' };
    });
    const events = await this.tool<{ events: EventView[] }>(
      'recent_events',
      { kind_prefix: 'system.k3s.handshake.join', limit: 3 },
      (r) => `${r.events.length} events`,
    );
    this.expectOrder(events.events, JOIN_ORDER);
  }

  private async kubectl(cluster: Cluster): Promise<void> {
    this.say.chapter('kubectl through the VIP, from the workstation');
    const { kubeconfig } = await this.tool<{ kubeconfig: string; api_endpoint: string }>(
      'kubernetes_get_kubeconfig',
      { cluster_id: cluster.id },
      (r) => `server: ${r.api_endpoint}`,
    );
    await this.world.saveKubeconfig(kubeconfig);
    await this.getNodes();
    await this.tool<{ nodes: unknown[] }>(
      'kubernetes_list_nodes',
      { cluster_id: cluster.id },
      (r) => `${r.nodes.length} nodes`,
    );
  }

  private async failover(cluster: Cluster): Promise<StoryResult> {
    this.say.chapter('Drain the server that holds the API endpoint, while a probe runs');
    const vip = /\[([^\]]+)\]/.exec(cluster.api_endpoint)![1]!;
    const read = () =>
      this.operator.call<{ virtual_ip: { holders: string[]; state: string; epoch: number } }>(
        'system_sdwan_get_virtual_ip',
        { name: 'k3s_api_endpoint' },
      );
    const before = (await read()).virtual_ip;
    const holder = before.holders[0]!;
    const probe = await this.world.probe(vip);
    await this.tool(
      'system_drain_instance',
      { id: holder },
      () => `${this.nameOf(holder)} holds the VIP and is being drained`,
    );
    const moved = await this.until('the VIP is held by another server', async () => {
      const { virtual_ip } = await read();
      const done = virtual_ip.state === 'active' && virtual_ip.holders[0] !== holder && virtual_ip.epoch > before.epoch;
      return { done, now: `${virtual_ip.state}, epoch ${virtual_ip.epoch}`, value: virtual_ip };
    });
    await this.until('the instance is drained', async () => {
      const { instance } = await this.operator.call<{ instance: { status: string } }>('system_get_instance', {
        id: holder,
      });
      return { done: instance.status === 'drained', now: instance.status };
    });
    const gaps = await this.gaps(probe, vip, this.nameOf(moved!.holders[0]!));
    await this.getNodes();
    return { clusterId: cluster.id, vip, drainGapMs: gaps.pingMs, gaps, bootstrapInstance: holder };
  }

  private async gaps(probe: { stop(): Promise<Gaps> }, vip: string, holder: string): Promise<Gaps> {
    const gaps = await this.say.step(
      `probes of ${vip}: ping every 5 ms, GET /readyz every 10 ms, an open watch`,
      () => probe.stop(),
      (g) => `ping: longest gap ${g.pingMs.toFixed(0)} ms, ${g.lost} of ${g.sent} lost; now on ${holder}`,
    );
    this.say.line(`    → HTTPS: longest gap ${gaps.httpsMs.toFixed(0)} ms, ${gaps.httpsFailed} requests failed`);
    this.say.line(
      `    → watch: ended ${gaps.watchesEnded} times, served again after ${gaps.watchMs.toFixed(0)} ms; ${gaps.watchEvents} events`,
    );
    return gaps;
  }
}
