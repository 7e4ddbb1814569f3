import { ManualClock, silentLog } from '#kernel';
import type { AgentLink } from '#agent-gateway';
import type { CommandDispatcher } from '#processing';
import { KubernetesDirectory, type KnownPeer } from './directory.js';
import type { KubeApi } from './kube-api.js';
import { LIST_MS, PodRanges } from './pod-ranges.js';

type Nodes = readonly (readonly [name: string, cidrs: readonly string[]])[];
const NETWORK = 'sdwan_network-1';

/** Clusters c1, c2... of one node each (i1, i2...) on one network; what their APIs answer is the test's. */
class World {
  readonly clock = new ManualClock();
  readonly directory = new KubernetesDirectory();
  readonly sent: string[] = [];
  readonly opened: string[] = [];
  readonly ended: string[] = [];
  readonly connected = new Set<string>();
  readonly answers = new Map<string, () => Promise<Nodes>>();
  readonly ranges: PodRanges;

  constructor() {
    this.directory.networks.set(NETWORK, { id: NETWORK, handle: 'h', podSubnetPrefix: '10.42.0.0/16' });
    const link = {
      liveness: (id: string) => ({ connected: this.connected.has(id) }),
    } as unknown as AgentLink;
    const apis = { open: async ({ clusterName }: { clusterName: string }) => this.open(clusterName) };
    const dispatcher = {
      dispatch: async ({ payload }: { payload: { peer_id: string; pod_cidr: string } }) => {
        this.sent.push(`${payload.peer_id} ${payload.pod_cidr}`);
        return { kind: 'done', value: undefined };
      },
    } as unknown as CommandDispatcher;
    this.ranges = new PodRanges(this.directory, link, apis, dispatcher, this.clock, this.clock, silentLog);
  }

  cluster(name: string, instances: readonly string[], answer: () => Promise<Nodes>, podCidrs: readonly string[] = []) {
    const node = (nodeName: string) => ({ role: 'server', status: 'ready', version: null, nodeName });
    const cluster = {
      status: 'active',
      id: name,
      name,
      accountId: 'account-1',
      kubeconfigRef: 'ref',
      networkId: NETWORK,
      podCidr: '10.42.0.0/16',
      nodes: new Map(instances.map((id) => [id, node(id)])),
    };
    this.directory.clusters.set(name, cluster as never);
    for (const id of instances) {
      this.connected.add(id);
      const peer = { peerId: `peer-${id}`, networkId: NETWORK, addressV6: '', addressV4: '', podCidrs };
      this.directory.peers.set(id, [peer as unknown as KnownPeer]);
    }
    this.answers.set(name, answer);
  }

  private open(name: string): KubeApi {
    this.opened.push(name);
    const listNode = async () => {
      const nodes = await this.answers.get(name)!();
      return { items: nodes.map(([node, podCIDRs]) => ({ metadata: { name: node }, spec: { podCIDRs } })) };
    };
    return {
      core: { listNode } as never,
      config: {} as never,
      close: async () => void this.ended.push(`${name} closed`),
      destroy: async () => void this.ended.push(`${name} destroyed`),
    };
  }
}

const never = () => new Promise<Nodes>(() => undefined);

describe('pod ranges', () => {
  it('of a cluster are found while the server of another one never ends its answer, which is given up', async () => {
    const world = new World();
    world.cluster('hostile', ['i1'], never);
    world.cluster('good', ['i2'], async () => [['i2', ['10.42.2.7/24', '10.42.3.0/24', 'x']]]);
    world.ranges.onApplicationBootstrap();
    await world.clock.advance(2_000);
    expect(world.sent).toEqual(['peer-i2 10.42.2.0/24']);
    await world.clock.advance(4_000);
    // The answer that is awaited is not asked for again; the good one is, because its range is not in the directory yet.
    expect(world.opened).toEqual(['hostile', 'good', 'good', 'good']);
    await world.clock.advance(LIST_MS);
    expect(world.ended).toContain('hostile destroyed');
    expect(world.opened.filter((name) => name === 'hostile').length).toBe(2);
    world.ranges.onModuleDestroy();
  });

  it('are looked for only where a server of the cluster is connected', async () => {
    const world = new World();
    world.cluster('c1', ['i1'], async () => [['i1', ['10.42.1.0/24']]]);
    world.connected.clear();
    await world.ranges.look();
    expect(world.opened).toEqual([]);
    world.connected.add('i1');
    await world.ranges.look();
    expect(world.sent).toEqual(['peer-i1 10.42.1.0/24']);
  });

  it('are not taken from a node that is told the same, in the cluster or in another one of the network', async () => {
    const world = new World();
    const held = '10.42.1.0/24';
    world.cluster('c1', ['i1'], async () => [['i1', [held]]], [held]);
    world.cluster('c2', ['i2', 'i3', 'i4'], async () => [
      ['i2', [held]],
      ['i3', ['10.42.9.0/24']],
      ['i4', ['10.42.9.0/24']],
    ]);
    await world.ranges.look();
    expect(world.sent).toEqual(['peer-i3 10.42.9.0/24']);
    // The first cluster is gone: what it had is the next one's.
    world.directory.clusters.delete('c1');
    await world.ranges.look();
    expect(world.sent).toContain(`peer-i2 ${held}`);
  });
});
