// The server token of three servers is replaced while a fourth and a worker join and the platform is killed; then a snapshot of before comes back.
import { sleep, until } from '../../apps/lab/src/processes.js';
import { LabRig } from '../../test/e2e/support/lab-rig.js';
import type { SoakValues } from '../soak.js';
import { say, wholeNumber } from './support/numbers.js';

export const about = `Three servers and a worker get another server token, --runs times. In the middle a fourth server and a second worker join
  (in the first run), and the platform is killed: all servers must end with the new token, refuse the one before, and be ready.
  Then, --cuts of four times (0: not at all; from --first-cut on), the platform is killed at a step of a rotation and all servers' K3s with it: when K3s
  has the token and the platform does not know that, when it is chosen, when the nodes know it, and when the platform knows all.
  At the end a snapshot of before the first rotation is restored while all servers live: all of them have the first token then.`;
export const options = {
  runs: { type: 'string', default: '2' },
  cuts: { type: 'string', default: '4' },
  'first-cut': { type: 'string', default: '1' },
} as const;

const [EARLY, LATE] = [
  ['s1', 's2', 's3', 'w1'],
  ['s4', 'w2'],
];
const SERVERS = ['s1', 's2', 's3', 's4'];
const MINUTES_MS = 60_000;

class Story {
  cluster_id = '';
  readonly instances = new Map<string, string>();

  constructor(readonly rig: LabRig) {}

  /** A kept connection may end just when it is used again; a reading call is simply made once more. */
  async read<T>(name: string, args: Record<string, unknown>): Promise<T> {
    try {
      return await this.rig.operator.call<T>(name, args);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return this.rig.operator.call<T>(name, args);
    }
  }

  async templates(): Promise<void> {
    const { operator } = this.rig;
    await operator.call('system_sdwan_create_network', { name: 'net' });
    for (const module_name of ['k3s-server', 'k3s-agent']) {
      await operator.call('system_create_template', { name: module_name });
      await operator.call('system_assign_module_to_template', { template_id: module_name, module_name });
    }
  }

  async add(hosts: readonly string[]): Promise<void> {
    const { operator } = this.rig;
    for (const hostname of hosts) {
      const node_template_id = hostname.startsWith('s') ? 'k3s-server' : 'k3s-agent';
      const { node } = await operator.call<{ node: { id: string } }>('system_create_node', {
        hostname,
        node_template_id,
      });
      const machine = { node_id: node.id, driver: 'lab', cni_plugin: 'flannel' };
      const { instance } = await operator.call<{ instance: { id: string } }>('system_provision_instance', machine);
      await operator.call('system_sdwan_attach_peer', { network_id: 'net', node_instance_id: instance.id });
      this.instances.set(hostname, instance.id);
    }
  }

  up(count: number): Promise<void> {
    const isUp = async () => {
      const { clusters } = await this.read<{ clusters: { id: string }[] }>('kubernetes_list_clusters', {});
      if (clusters.length > 1) throw new Error('there is a second cluster');
      this.cluster_id = clusters[0]?.id ?? '';
      if (this.cluster_id === '') return false;
      const { cluster_id } = this;
      const { nodes } = await this.read<{ nodes: { status: string }[] }>('kubernetes_list_nodes', { cluster_id });
      return nodes.length === count && nodes.every((n) => n.status === 'ready');
    };
    return until(`${count} nodes are ready`, isUp, 6 * MINUTES_MS, 300);
  }

  serversUp(count: number): Promise<void> {
    const isUp = async () => {
      const { cluster_id } = this;
      type Nodes = { nodes: { status: string; role: string }[] };
      const { nodes } = await this.read<Nodes>('kubernetes_list_nodes', { cluster_id });
      return nodes.filter((n) => n.role === 'control-plane' && n.status === 'ready').length === count;
    };
    return until(`${count} servers are ready`, isUp, 6 * MINUTES_MS, 300);
  }

  async snapshot(): Promise<string> {
    const { cluster_id } = this;
    type Made = { id: string; status: string };
    const { snapshot } = await this.rig.operator.call<{ snapshot: Made }>('kubernetes_create_snapshot', { cluster_id });
    const available = async () => {
      const { snapshots } = await this.read<{ snapshots: Made[] }>('kubernetes_list_snapshots', { cluster_id });
      return snapshots.some((s) => s.id === snapshot.id && s.status === 'available');
    };
    await until('the snapshot is stored', available, 2 * MINUTES_MS, 300);
    return snapshot.id;
  }

  async restored(snapshot_id: string, host: string): Promise<void> {
    const { cluster_id } = this;
    const instance_id = this.instances.get(host)!;
    await this.rig.operator.call('kubernetes_restore_snapshot', { snapshot_id, instance_id });
    const done = async () => {
      type Answer = { restores: { status: string; error: string | null }[] };
      const { restores } = await this.read<Answer>('kubernetes_list_snapshots', { cluster_id });
      if (restores[0]?.status === 'failed') throw new Error(`restore: ${restores[0].error}`);
      return restores[0]?.status === 'completed';
    };
    await until('the snapshot is restored', done, 6 * MINUTES_MS, 300);
  }

  async tokens(hosts: readonly string[]): Promise<string[]> {
    const all = await Promise.all(
      hosts.map((host) => this.rig.lab.exec(host, ['cat', '/var/lib/rancher/k3s/server/token'])),
    );
    return [...new Set(all.map((one) => one.stdout.trim()))];
  }

  async accepts(host: string, token: string): Promise<boolean> {
    const argv = [`${this.rig.root}/dist/doubles/k3s`, 'etcd-snapshot', 'ls', '--etcd-token', token];
    return (await this.rig.lab.exec(host, argv)).code === 0;
  }

  private readonly reached: readonly (readonly [string, () => Promise<boolean>])[] = [
    ['K3s has it', async () => (await this.tokens(SERVERS)).length > 1],
    ['the token is chosen', () => this.happened('changing')],
    [
      'the nodes know it',
      async () => (await this.on('s1', 'cat /var/lib/drover-agent/k3s-server-token-offer.json')) !== '',
    ],
    ['the platform knows that', () => this.happened('changed')],
  ];
  private seen = 0;

  private async on(host: string, script: string): Promise<string> {
    return (await this.rig.lab.exec(host, ['sh', '-c', script])).stdout;
  }

  private async count(what: 'changing' | 'changed'): Promise<number> {
    const kind_prefix = `system.k3s.cluster.server_token_${what}`;
    return (await this.read<{ events: object[] }>('recent_events', { kind_prefix, limit: 100 })).events.length;
  }
  private async happened(what: 'changing' | 'changed'): Promise<boolean> {
    return (await this.count(what)) > this.seen;
  }

  /** The platform and every K3s die at this step; then K3s has all the time that it wants before the platform is back. */
  async cut(step: number): Promise<string> {
    const [name, reached] = this.reached[step]!;
    const { cluster_id } = this;
    this.seen = await this.count(step === 3 ? 'changed' : 'changing');
    await this.rig.operator.call('kubernetes_rotate_server_token', { cluster_id, node_timeout_seconds: 600 });
    await until(name, reached, 2 * MINUTES_MS, 10);
    await this.rig.platform.stop('SIGKILL');
    await Promise.all(SERVERS.map((host) => this.on(host, 'kill -9 $(cat /var/lib/drover-agent/services/k3s.pid)')));
    await sleep(20_000);
    await this.rig.platform.start();
    await this.rig.reconnect();
    await this.completed();
    return name;
  }

  /** The platform is killed when the rotation is so far, and `meanwhile` happens then. */
  async rotate(killAt: number, meanwhile: () => Promise<void>): Promise<void> {
    type Upgrade = { upgrade: { state: string; percent: number; last_error: string | null } };
    const { cluster_id } = this;
    await this.rig.operator.call('kubernetes_rotate_server_token', { cluster_id, node_timeout_seconds: 300 });
    const now = async () => (await this.read<Upgrade>('kubernetes_get_upgrade', { cluster_id })).upgrade;
    await until(`${killAt} % are done`, async () => (await now()).percent >= killAt, 5 * MINUTES_MS, 50);
    await meanwhile();
    await this.rig.platform.stop('SIGKILL');
    await sleep(500);
    await this.rig.platform.start();
    await this.rig.reconnect();
    await this.completed();
  }

  private async completed(): Promise<void> {
    type Upgrade = { upgrade: { state: string } };
    const { cluster_id } = this;
    const ended = async () => {
      const { upgrade } = await this.read<Upgrade>('kubernetes_get_upgrade', { cluster_id });
      if (upgrade.state === 'stopped') throw new Error(JSON.stringify(upgrade));
      return upgrade.state === 'completed';
    };
    await until('the rotation is completed', ended, 8 * MINUTES_MS, 300);
  }

  /** All servers have one token, which is not this one, and take no other. */
  async settled(before: string): Promise<void> {
    const after = await this.tokens(SERVERS);
    if (after.length !== 1 || after[0] === before)
      throw new Error(`${after.length} tokens on ${SERVERS.length} servers`);
    for (const host of SERVERS) {
      if (!(await this.accepts(host, after[0]!))) throw new Error(`${host} does not take the new token`);
      if (await this.accepts(host, before)) throw new Error(`${host} takes the former token`);
    }
  }
}

export const run = async (values: SoakValues) => {
  const runs = wholeNumber(values, 'runs', 0);
  const firstCut = wholeNumber(values, 'first-cut', 1);
  const cuts = Math.max(0, Math.min(5 - firstCut, wholeNumber(values, 'cuts', 0)));
  const rig = await LabRig.create({
    hosts: [...EARLY!, ...LATE!],
    agentEnv: {
      K3S_DOUBLE_NODE_GRACE_MS: '6000',
      K3S_DOUBLE_LEASE_RENEW_MS: '1500',
      K3S_DOUBLE_TOKEN_ROTATE_MS: '2000',
    },
  });
  const story = new Story(rig);
  let refused = 0;
  try {
    await story.templates();
    const begin = runs === 0 ? [...EARLY!, ...LATE!] : EARLY!;
    await story.add(begin);
    await story.up(begin.length);
    const [first] = await story.tokens(['s1', 's2', 's3']);
    const snapshot = await story.snapshot();
    for (let n = 0; n < runs; n++) {
      const [before] = await story.tokens(['s1']);
      await story.rotate(10 + ((n * 41) % 70), () => (n === 0 ? story.add(LATE!) : Promise.resolve()));
      await story.up(EARLY!.length + LATE!.length);
      await story.settled(before!);
      refused += SERVERS.length;
      say(`  ${n + 1} of ${runs}: ${SERVERS.length} servers take the new token only`);
    }
    for (let step = firstCut - 1; step < firstCut - 1 + cuts; step++) {
      const [before] = await story.tokens(['s1']);
      const name = await story.cut(step);
      await story.up(EARLY!.length + LATE!.length);
      await story.settled(before!);
      refused += SERVERS.length;
      say(`  killed with all servers when ${name}: ${SERVERS.length} servers take the new token only`);
    }
    await story.restored(snapshot, 's2');
    // All servers come back with the token of then. Workers that joined after the snapshot are strangers to it: a restore's own story.
    const whole = async () => {
      const now = await story.tokens(SERVERS);
      return now.length === 1 && now[0] === first;
    };
    await until('all servers have the token of the snapshot', whole, 5 * MINUTES_MS, 500);
    await story.serversUp(SERVERS.length);
    return { runs, kills: runs + cuts, former_tokens_refused: refused, joined_meanwhile: LATE!.length, restored: 1 };
  } finally {
    await rig.close();
  }
};
