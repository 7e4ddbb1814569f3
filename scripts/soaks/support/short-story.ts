import { sleep } from '../../../apps/lab/src/processes.js';
import { ToolRefused } from '../../../apps/lab/src/demo/operator.js';
import type { World } from '../../../apps/lab/src/demo/stage.js';
import type { PatientOperator } from './patient-operator.js';

export const SHORT_SERVERS = ['server-1', 'server-2'] as const;
export const SHORT_WORKER = 'worker-1';
const NETWORK = 'story-net';
const VIP = 'k3s_api_endpoint';
const PATIENCE_MS = 180_000;

interface VirtualIp {
  readonly holders: readonly string[];
  readonly state: string;
  readonly epoch: number;
}

/**
 * Tutorial 04, shortened: two servers, a worker, a workstation, new keys, a drain, an end. The worker's machine does not exist
 * when it is first asked for, so that the timer of its next try has to fire.
 */
export class ShortStory {
  private readonly started = performance.now();

  constructor(
    private readonly operator: PatientOperator,
    private readonly world: World,
    private readonly makeWorkerMachine: () => Promise<unknown>,
    private readonly step: (what: string, atMs: number) => void,
  ) {}

  async play(): Promise<void> {
    const networkId = await this.machines();
    await this.workstation(networkId);
    const clusterId = await this.cluster();
    await this.worker(clusterId);
    const { kubeconfig } = await this.operator.call<{ kubeconfig: string }>('kubernetes_get_kubeconfig', {
      cluster_id: clusterId,
    });
    await this.world.saveKubeconfig(kubeconfig);
    await this.newKeys();
    await this.drain();
    await this.terminated();
    await this.workerLeaves();
  }

  /** What the running platform must say in the end, whatever happened on the way. */
  async end(): Promise<void> {
    this.say('the end');
    await this.until('the cluster is whole', async () => {
      const { clusters } = await this.operator.call<{ clusters: { id: string; status: string }[] }>(
        'kubernetes_list_clusters',
      );
      if (clusters.length !== 1) return JSON.stringify(clusters);
      const { nodes } = await this.operator.call<{ nodes: { role: string; status: string }[] }>(
        'kubernetes_list_nodes',
        { cluster_id: clusters[0]!.id },
      );
      const states = nodes.map((n) => n.status).sort();
      const fits =
        clusters[0]!.status === 'active' && nodes.length === 2 && nodes.every((n) => n.role === 'control-plane');
      return fits && states.every((s) => ['ready', 'draining'].includes(s))
        ? undefined
        : JSON.stringify([clusters, nodes]);
    });
    await this.until('one instance runs, one is drained', async () => {
      const { instances } = await this.operator.call<{ instances: { status: string }[] }>('system_list_instances');
      const states = instances.map((i) => i.status).filter((s) => s !== 'terminated');
      return JSON.stringify(states.sort()) === '["drained","running"]' ? undefined : JSON.stringify(states);
    });
    await this.until('the virtual IP is held by the server that is not drained', async () => {
      const { virtual_ip } = await this.vip();
      const { instances } = await this.operator.call<{ instances: { id: string; status: string }[] }>(
        'system_list_instances',
      );
      const holder = instances.find((i) => i.id === virtual_ip.holders[0]);
      return virtual_ip.state === 'active' && holder?.status === 'running' ? undefined : JSON.stringify(virtual_ip);
    });
    await this.until('kubectl sees two ready nodes through the virtual IP', async () => {
      const text = await this.world
        .onWorkstation(['kubectl', '--request-timeout=3s', 'get', 'nodes', '--no-headers'])
        .catch((cause: unknown) => String(cause));
      return text.split('\n').filter((line) => /\sReady/.test(line)).length === 2 ? undefined : text;
    });
    const audit = await this.operator.call<{ intact: boolean }>('verify_audit');
    if (!audit.intact) throw new Error('verify_audit says that the log is not intact');
  }

  private async machines(): Promise<string> {
    this.say('a network, two templates, three machines');
    const { network } = await this.operator.call<{ network: { id: string } }>('system_sdwan_create_network', {
      name: NETWORK,
    });
    for (const name of ['servers', 'workers', 'spares']) await this.operator.call('system_create_template', { name });
    for (const hostname of [SHORT_WORKER, ...SHORT_SERVERS]) {
      const node_template_id = hostname === SHORT_WORKER ? 'workers' : 'servers';
      const { node } = await this.operator.call<{ node: { id: string } }>('system_create_node', {
        hostname,
        node_template_id,
      });
      const { instance } = await this.operator.call<{ instance: { id: string } }>('system_provision_instance', {
        node_id: node.id,
        driver: this.world.driver,
      });
      await this.operator.call('system_sdwan_attach_peer', { network_id: network.id, node_instance_id: instance.id });
    }
    await this.until('the first try to get the worker’s machine has failed', async () => {
      const { agent } = await this.operator.call<{ agent: { decisions: { notes: string[] }[] } }>('agent_introspect', {
        agent_id: 'fleet_provisioning_agent',
        limit: 20,
      });
      const notes = agent.decisions.flatMap((d) => d.notes);
      return notes.some((note) => /^provision: try \d failed/.test(note)) ? undefined : notes.join('; ');
    });
    await this.makeWorkerMachine();
    await this.running(2);
    return network.id;
  }

  private running(count: number): Promise<void> {
    return this.until(`${count} instances run`, async () => {
      const { instances } = await this.operator.call<{ instances: { status: string }[] }>('system_list_instances');
      const states = instances.map((i) => i.status);
      return states.filter((s) => s === 'running').length >= count ? undefined : states.join(', ');
    });
  }

  private async workstation(network_id: string): Promise<void> {
    this.say('the workstation joins');
    const grant = await this.operator.call<{ bootstrap_url: string; token: string }>(
      'system_sdwan_create_access_grant',
      { network_id, name: 'workstation' },
    );
    await this.world.joinWorkstation({ bootstrapUrl: grant.bootstrap_url, token: grant.token });
  }

  private async cluster(): Promise<string> {
    this.say('the cluster');
    await this.operator.call('system_assign_module_to_template', { template_id: 'servers', module_name: 'k3s-server' });
    let id = '';
    await this.until('two servers are ready', async () => {
      const { clusters } = await this.operator.call<{ clusters: { id: string; status: string }[] }>(
        'kubernetes_list_clusters',
      );
      if (clusters[0] === undefined) return 'no cluster yet';
      id = clusters[0].id;
      const { nodes } = await this.operator.call<{ nodes: { status: string }[] }>('kubernetes_list_nodes', {
        cluster_id: id,
      });
      const ready = nodes.filter((n) => n.status === 'ready').length;
      return clusters[0].status === 'active' && ready === 2 ? undefined : `${clusters[0].status}, ${ready} ready`;
    });
    return id;
  }

  private async worker(target_cluster_id: string): Promise<void> {
    this.say('the worker');
    await this.running(3);
    await this.operator.call('system_assign_module_to_template', {
      template_id: 'workers',
      module_name: 'k3s-agent',
      config: { target_cluster_id },
    });
    await this.until('the worker is ready', async () => {
      const { nodes } = await this.operator.call<{ nodes: { role: string; status: string }[] }>(
        'kubernetes_list_nodes',
        { cluster_id: target_cluster_id },
      );
      const worker = nodes.find((n) => n.role === 'worker');
      return worker?.status === 'ready' ? undefined : (worker?.status ?? 'not there yet');
    });
  }

  private async drain(): Promise<void> {
    this.say('the drain');
    let before: VirtualIp | undefined;
    await this.until('the virtual IP has a holder', async () => {
      before = (await this.vip()).virtual_ip;
      return before.state === 'active' && before.holders.length === 1 ? undefined : JSON.stringify(before);
    });
    const [id] = before!.holders;
    await this.operator.call('system_drain_instance', { id });
    await this.until('the instance is drained', async () => {
      const { instance } = await this.operator.call<{ instance: { status: string } }>('system_get_instance', { id });
      return instance.status === 'drained' ? undefined : instance.status;
    });
  }

  /** An instance that nobody came for is given up: what was kept for it is shredded. */
  private async terminated(): Promise<void> {
    const { node } = await this.operator.call<{ node: { id: string } }>('system_create_node', {
      hostname: 'nobody-came',
      node_template_id: 'spares',
    });
    const { instance } = await this.operator.call<{ instance: { id: string } }>('system_provision_instance', {
      node_id: node.id,
      driver: 'existing',
    });
    await this.operator.call('system_terminate_instance', { id: instance.id });
  }

  /** A WireGuard key of a node, and the platform's master key. */
  private async newKeys(): Promise<void> {
    this.say('new keys');
    await this.operator.call('system_rotate_master_key');
    const peers = async () => {
      const { peers } = await this.operator.call<{ peers: { id: string; node_instance_id: string | null }[] }>(
        'system_sdwan_list_peers',
      );
      return peers;
    };
    const { instances } = await this.operator.call<{ instances: { id: string; name: string }[] }>(
      'system_list_instances',
    );
    const worker = instances.find((one) => one.name.startsWith(SHORT_WORKER))!;
    const peer = (await peers()).find((one) => one.node_instance_id === worker.id)!;
    await this.operator.call('system_sdwan_rotate_peer_key', { peer_id: peer.id, wait_seconds: 0 });
    await this.until('the worker has its new key', async () => {
      const { peer: now } = await this.operator.call<{ peer: { key_rotation: unknown } }>('system_sdwan_get_peer', {
        peer_id: peer.id,
      });
      return now.key_rotation === null ? undefined : JSON.stringify(now.key_rotation);
    });
  }

  /** Its Node and what else it had in the cluster are taken away. */
  private async workerLeaves(): Promise<void> {
    this.say('the worker leaves');
    const { instances } = await this.operator.call<{ instances: { id: string; name: string; status: string }[] }>(
      'system_list_instances',
    );
    const { id } = instances.find((one) => one.name.startsWith(SHORT_WORKER))!;
    await this.operator.call('system_terminate_instance', { id });
    await this.until('the worker’s Node is gone', async () => {
      const { events } = await this.operator.call<{ events: { payload: { instance_id?: string } }[] }>(
        'recent_events',
        {
          kind_prefix: 'system.k3s.node.left',
        },
      );
      return events.some((one) => one.payload.instance_id === id) ? undefined : 'system.k3s.node.left is not there';
    });
  }

  private vip(): Promise<{ virtual_ip: VirtualIp }> {
    return this.operator.call('system_sdwan_get_virtual_ip', { name: VIP });
  }

  private say(what: string): void {
    this.step(what, performance.now() - this.started);
  }

  /** `look` answers what is still wrong; a refusal (not there yet) counts as not yet. */
  private async until(what: string, look: () => Promise<string | undefined>): Promise<void> {
    for (const deadline = performance.now() + PATIENCE_MS; ;) {
      const wrong = await look().catch((cause: unknown) => {
        if (!(cause instanceof ToolRefused)) throw cause;
        return cause.message;
      });
      if (wrong === undefined) return;
      if (performance.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS / 1_000} s: ${wrong}`);
      await sleep(100);
    }
  }
}
