// A cluster of three servers and a worker goes to another version and back, and the platform is killed while it does.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Hex } from '#kernel';
import { sleep, until } from '../../apps/lab/src/processes.js';
import { LabRig } from '../../test/e2e/support/lab-rig.js';
import type { SoakValues } from '../soak.js';
import { say, wholeNumber } from './support/numbers.js';

export const about = `Three servers and a worker over real WireGuard are upgraded node by node and rolled back, --runs times. In every
  rollout the platform is killed at a random moment and started again: each node must be changed exactly once, and all must end
  with the version that was asked for.`;
export const options = { runs: { type: 'string', default: '3' } } as const;

const HOSTS = ['s1', 's2', 's3', 'w1'];
const VERSIONS = ['v1.30.5+k3s1', 'v1.31.2+k3s1'] as const;
const MINUTES_MS = 60_000;

interface Upgrade {
  readonly state: string;
  readonly run: number;
  readonly percent: number;
}

class Story {
  cluster_id = '';

  constructor(
    private readonly rig: LabRig,
    private readonly programs: string,
  ) {}

  /** A kept connection may end just when it is used again; a reading call is simply made once more. */
  async read<T>(name: string, args: Record<string, unknown>): Promise<T> {
    try {
      return await this.rig.operator.call<T>(name, args);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return this.rig.operator.call<T>(name, args);
    }
  }

  /** A release of the stand-in: the same program under another version. */
  async release(version: string, states: readonly string[]): Promise<void> {
    const path = join(this.programs, version);
    const program = `${this.rig.root}/dist/doubles/k3s`;
    writeFileSync(path, `#!/bin/sh\nexport K3S_DOUBLE_VERSION='${version}'\nexec ${program} "$@"\n`);
    chmodSync(path, 0o755);
    const about = { module_name: 'k3s-server', version };
    const sha256 = sha256Hex(readFileSync(path));
    await this.rig.operator.call('system_create_module_version', { ...about, path, sha256 });
    for (const to of states) await this.rig.operator.call('system_promote_module_version', { ...about, to });
  }

  async nodes(): Promise<readonly { status: string; version: string }[]> {
    const { nodes } = await this.read<{ nodes: { status: string; version: string }[] }>('kubernetes_list_nodes', {
      cluster_id: this.cluster_id,
    });
    return nodes;
  }

  async upgrade(): Promise<Upgrade> {
    return (await this.read<{ upgrade: Upgrade }>('kubernetes_get_upgrade', { cluster_id: this.cluster_id })).upgrade;
  }

  async bringUp(): Promise<void> {
    const { operator } = this.rig;
    await operator.call('system_sdwan_create_network', { name: 'net' });
    for (const [template, module_name] of [
      ['servers', 'k3s-server'],
      ['workers', 'k3s-agent'],
    ]) {
      await operator.call('system_create_template', { name: template });
      await operator.call('system_assign_module_to_template', { template_id: template, module_name });
    }
    for (const hostname of HOSTS) {
      const node_template_id = hostname.startsWith('s') ? 'servers' : 'workers';
      const { node } = await operator.call<{ node: { id: string } }>('system_create_node', {
        hostname,
        node_template_id,
      });
      const machine = { node_id: node.id, driver: 'lab', cni_plugin: 'flannel' };
      const { instance } = await operator.call<{ instance: { id: string } }>('system_provision_instance', machine);
      await operator.call('system_sdwan_attach_peer', { network_id: 'net', node_instance_id: instance.id });
    }
    await until('the cluster is up', () => this.isUp(), 5 * MINUTES_MS, 300);
  }

  private async isUp(): Promise<boolean> {
    const { clusters } = await this.read<{ clusters: { id: string }[] }>('kubernetes_list_clusters', {});
    this.cluster_id = clusters[0]?.id ?? '';
    if (this.cluster_id === '') return false;
    const nodes = await this.nodes();
    return nodes.length === HOSTS.length && nodes.every((n) => n.status === 'ready');
  }

  /** Kills the platform when the rollout is so far, and waits until it ended as it should. */
  async through(killAt: number, state: string, version: string): Promise<void> {
    await until(`${killAt} % are done`, async () => (await this.upgrade()).percent >= killAt, 5 * MINUTES_MS, 50);
    await this.rig.platform.stop('SIGKILL');
    await sleep(500);
    await this.rig.platform.start();
    await this.rig.reconnect();
    const ended = async () => {
      const now = await this.upgrade();
      if (now.state === 'stopped') throw new Error(JSON.stringify(now));
      return now.state === state;
    };
    await until(`the rollout is ${state}`, ended, 10 * MINUTES_MS, 300);
    const other = (await this.nodes()).filter((n) => n.version !== version);
    if (other.length > 0) throw new Error(`${other.length} nodes do not run ${version}`);
  }

  /** Nodes that the rollout changed more than once, or never, in this direction. */
  async notOnce(run: number, direction: string): Promise<number> {
    type Step = { payload: { run: number; phase: string; direction: string; instance_id: string } };
    const { events } = await this.read<{ events: Step[] }>('recent_events', {
      kind_prefix: 'system.k3s.rollout.node_progressed',
      limit: 200,
    });
    const changed = events
      .map((e) => e.payload)
      .filter((p) => p.run === run && p.direction === direction && p.phase === 'changing')
      .map((p) => p.instance_id);
    return Math.abs(changed.length - HOSTS.length) + changed.length - new Set(changed).size;
  }
}

export const run = async (values: SoakValues) => {
  const runs = wholeNumber(values, 'runs');
  const programs = mkdtempSync(join(tmpdir(), 'drover-k3s-'));
  const rig = await LabRig.create({
    hosts: HOSTS,
    agentEnv: { K3S_DOUBLE_NODE_GRACE_MS: '6000', K3S_DOUBLE_LEASE_RENEW_MS: '1500' },
  });
  const story = new Story(rig, programs);
  let wrong = 0;
  const pace = { canary_soak_seconds: 1, node_timeout_seconds: 300 };
  try {
    await story.release(VERSIONS[0], ['staging', 'blessed', 'live']);
    await story.release(VERSIONS[1], ['staging']);
    await story.bringUp();
    for (let n = 0; n < runs; n++) {
      const { cluster_id } = story;
      await rig.operator.call('kubernetes_upgrade_cluster', { cluster_id, version: VERSIONS[1], ...pace });
      await story.through(5 + ((n * 37) % 80), 'completed', VERSIONS[1]);
      await rig.operator.call('kubernetes_rollback_upgrade', { cluster_id });
      await story.through(5 + ((n * 53) % 80), 'rolled_back', VERSIONS[0]);
      const { run: number } = await story.upgrade();
      wrong += (await story.notOnce(number, 'forward')) + (await story.notOnce(number, 'back'));
      say(`  ${n + 1} of ${runs}: there and back, ${wrong} nodes not changed exactly once`);
    }
    if (wrong > 0) throw new Error(`${wrong} nodes were not changed exactly once`);
    return { runs, kills: runs * 2, nodes_changed: runs * 2 * HOSTS.length, not_exactly_once: wrong };
  } finally {
    await rig.close();
    rmSync(programs, { recursive: true, force: true });
  }
};
