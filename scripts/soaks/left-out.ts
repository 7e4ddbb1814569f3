// A server dies while its certificates are made anew, is left out, comes back long after; then it is drained and switched off.
import { until } from '../../apps/lab/src/processes.js';
import { LabRig } from '../../test/e2e/support/lab-rig.js';
import type { SoakValues } from '../soak.js';
import { say, wholeNumber } from './support/numbers.js';

export const about = `Three servers get new certificates; the machine of the third dies when it is told, --rounds times. The rollout leaves it out and is
  completed, says what is owed, and no other server may be terminated. When the machine is back it makes its certificates anew by itself:
  they are other ones, the rollout counts it, nothing is owed, and nobody else is restarted. Then it is drained and switched off: one server
  less; it stands aside when it is back, until it is uncordoned.`;
export const options = { rounds: { type: 'string', default: '1' } } as const;

const SERVERS = ['s1', 's2', 's3'] as const;
const LAST = 's3';
const MINUTES_MS = 60_000;
const CERTIFICATE = '/var/lib/rancher/k3s/server/tls/serving-kube-apiserver.crt';

interface Upgrade {
  readonly run: number;
  readonly state: string;
  readonly nodes_done: number;
  readonly next_action: string | null;
  readonly nodes: readonly { name: string; phase: string; error: string | null }[];
}

class Story {
  cluster_id = '';
  readonly ids = new Map<string, string>();

  constructor(readonly rig: LabRig) {}

  call<T>(name: string, args: Record<string, unknown> = {}): Promise<T> {
    return this.rig.operator.call<T>(name, args);
  }

  async begin(): Promise<void> {
    await this.call('system_sdwan_create_network', { name: 'net' });
    await this.call('system_create_template', { name: 'servers' });
    await this.call('system_assign_module_to_template', { template_id: 'servers', module_name: 'k3s-server' });
    for (const hostname of SERVERS) {
      await this.call('system_create_node', { hostname, node_template_id: 'servers' });
      const machine = { node_id: hostname, driver: 'lab', cni_plugin: 'flannel' };
      const { instance } = await this.call<{ instance: { id: string } }>('system_provision_instance', machine);
      await this.call('system_sdwan_attach_peer', { network_id: 'net', node_instance_id: instance.id });
      this.ids.set(hostname, instance.id);
    }
    await until('there is a cluster', async () => (await this.cluster()) !== undefined, 4 * MINUTES_MS, 300);
    await this.is(LAST, 'ready', 1);
  }

  async cluster(): Promise<{ id: string; fault_tolerance: number; status: string } | undefined> {
    type Clusters = { clusters: { id: string; fault_tolerance: number; status: string }[] };
    const { clusters } = await this.call<Clusters>('kubernetes_list_clusters');
    this.cluster_id = clusters[0]?.id ?? '';
    return clusters[0];
  }

  /** The server is in this state, and so many servers may be lost. */
  is(host: string, status: string, tolerance: number): Promise<void> {
    const holds = async () => {
      if ((await this.cluster())?.fault_tolerance !== tolerance) return false;
      const { cluster_id } = this;
      type Nodes = { nodes: { instance_id: string; status: string }[] };
      const { nodes } = await this.call<Nodes>('kubernetes_list_nodes', { cluster_id });
      return nodes.find((n) => n.instance_id === this.ids.get(host))?.status === status;
    };
    return until(`${host} is ${status}, fault_tolerance is ${tolerance}`, holds, 5 * MINUTES_MS, 300);
  }

  async upgrade(): Promise<Upgrade> {
    return (await this.call<{ upgrade: Upgrade }>('kubernetes_get_upgrade', { cluster_id: this.cluster_id })).upgrade;
  }

  phaseOf = async (host: string): Promise<string | undefined> =>
    (await this.upgrade()).nodes.find((n) => n.name === host)?.phase;

  async certificates(hosts: readonly string[] = SERVERS): Promise<string[]> {
    const all = await Promise.all(hosts.map((host) => this.rig.lab.exec(host, ['cat', CERTIFICATE])));
    return all.map(({ stdout }) => stdout);
  }

  /** No other server may go now, and the refusal says why. */
  async mayNotGo(host: string): Promise<void> {
    const answer = await this.call('system_terminate_instance', { id: this.ids.get(host)! }).catch(String);
    if (!String(answer).includes('quorum')) throw new Error(`${host} may be terminated: ${JSON.stringify(answer)}`);
  }
}

const leftOut = async (story: Story): Promise<void> => {
  const { rig, cluster_id } = story;
  const before = await story.certificates();
  await story.call('kubernetes_rotate_certificates', { cluster_id, drain: false, node_timeout_seconds: 60 });
  await until(`${LAST} is told`, async () => (await story.phaseOf(LAST)) === 'changing', 4 * MINUTES_MS, 20);
  await rig.lab.kill9Host(LAST);
  const over = async () => (await story.upgrade()).state === 'completed';
  await until('the rollout is completed without it', over, 6 * MINUTES_MS, 300);
  const left = await story.upgrade();
  say(
    `  ${left.nodes.map((n) => `${n.name} ${n.phase}`).join(', ')}: ${left.nodes.at(-1)?.error}; next: ${left.next_action}`,
  );
  if ((await story.phaseOf(LAST)) !== 'skipped' || left.next_action?.startsWith(`${LAST} makes`) !== true)
    throw new Error(`it is not said what is owed: ${JSON.stringify(left)}`);
  await story.is(LAST, 'not_ready', 0);
  await story.mayNotGo('s1');
  const others = await story.certificates(['s1', 's2']);
  await rig.lab.addHost(LAST);
  await until('it has done it by itself', async () => (await story.phaseOf(LAST)) === 'done', 4 * MINUTES_MS, 300);
  await story.is(LAST, 'ready', 1);
  const [now, after] = [await story.upgrade(), await story.certificates()];
  if (now.run !== left.run || now.next_action !== null || now.nodes_done !== SERVERS.length)
    throw new Error(JSON.stringify(now));
  if (after.some((one, n) => one === before[n])) throw new Error('not all certificates are other ones');
  if (others.some((one, n) => one !== after[n])) throw new Error('another server made its certificates anew again');
};

const switchedOff = async (story: Story): Promise<void> => {
  const { rig } = story;
  const id = story.ids.get(LAST)!;
  await story.call('system_drain_instance', { id, timeout_seconds: 60 });
  await story.is(LAST, 'draining', 1);
  await rig.lab.kill9Host(LAST);
  await story.is(LAST, 'not_ready', 0);
  await story.mayNotGo('s2');
  await rig.lab.addHost(LAST);
  await story.is(LAST, 'draining', 1);
  await story.call('system_uncordon_instance', { id });
  await story.is(LAST, 'ready', 1);
};

export const run = async (values: SoakValues) => {
  const rounds = wholeNumber(values, 'rounds');
  const rig = await LabRig.create({
    hosts: [...SERVERS],
    agentEnv: { K3S_DOUBLE_NODE_GRACE_MS: '6000', K3S_DOUBLE_LEASE_RENEW_MS: '1500' },
  });
  try {
    const story = new Story(rig);
    await story.begin();
    for (let n = 0; n < rounds; n++) {
      await leftOut(story);
      say(`  ${n + 1}: left out, back, and done by itself`);
      await switchedOff(story);
      say(`  ${n + 1}: drained, switched off, back, uncordoned`);
    }
    return { rounds, left_out: rounds, done_by_themselves: rounds, switched_off: rounds };
  } finally {
    await rig.close();
  }
};
