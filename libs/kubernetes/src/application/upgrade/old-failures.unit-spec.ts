import type { DomainEvent } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { InstanceCreated } from '#fleet';
import type { Cluster } from '../../domain/cluster/state.js';
import { clusterDecider } from '../../domain/cluster/decide.js';
import * as events from '../../domain/upgrade/events.js';
import { evolveRollout, noRollout, type RolloutEvent, type RolloutState } from '../../domain/upgrade/state.js';
import { cluster_id, instance_id } from '../../testing/one-server.js';
import { KubernetesDirectory } from '../directory.js';
import { AdvanceRolloutHandler } from './advance.handler.js';
import { AdvanceRollout } from './commands.js';
import { VersionDirectory } from './version-directory.js';

const ids = { cluster_id, run: 1 };
const pace = { max_unavailable: 1, canary: 0, canary_soak_seconds: 0, drain: false };
const started = events.RolloutStarted({
  ...{ ...ids, at_ms: 1, change: { kind: 'certificates' } },
  options: { ...pace, drain_timeout_seconds: 30, node_timeout_seconds: 600 },
  nodes: [
    {
      ...{ instance_id, name: 's1', role: 'server', canary: false, from_version: null, from_version_id: null },
      was_drained: false,
    },
  ],
});
const changing = events.RolloutNodeProgressed({
  ...{ ...ids, instance_id, direction: 'forward', phase: 'changing', at_ms: 2, detail: '' },
  ...{ percent: 40, done: 0, total: 1 },
});
const again = events.RolloutResumed({ ...ids, retried: [instance_id] });
const REASON = 'the download was refused';
const failed = {
  ...{ type: 'system.module.failed', stream: instance_id },
  data: { instance_id, module_name: 'k3s-server', reason: REASON },
} as unknown as DomainEvent;
const made = InstanceCreated({
  ...{ instance_id, node_id: 'node-00000000-0000-4000-8000-000000000001', name: 'n', driver: 'existing' },
  ...{ template_id: 'template-00000000-0000-4000-8000-000000000001', cni_plugin: null },
});
const ofCluster = (type: string) =>
  ({ type, stream: cluster_id, data: { cluster_id, instance_id } }) as unknown as DomainEvent;

const folded = (happened: readonly DomainEvent[]): VersionDirectory => {
  const directory = new KubernetesDirectory();
  const versions = new VersionDirectory(directory);
  for (const event of [made, ...happened]) {
    const recorded = { ...event, meta: { accountId: 'a' } } as unknown as RecordedEvent;
    directory.apply(recorded);
    versions.apply(recorded);
  }
  return versions;
};

/** What the rollout says why its node failed, when it is looked at a minute later; undefined when it goes on. */
const reasonAfter = async (...happened: DomainEvent[]): Promise<unknown> => {
  const rollout = happened
    .filter(({ type }) => type.startsWith('system.k3s.rollout.'))
    .reduce((state: RolloutState, event) => evolveRollout(state, event as unknown as RolloutEvent), noRollout);
  const server = { role: 'server', status: 'ready', version: 'v1', nodeName: 's1', lastError: null };
  const cluster = { id: cluster_id, status: 'active', nodes: new Map([[instance_id, server]]), datastore: 'etcd' };
  // In the instance's own stream a failure stays until something is installed.
  const modules = { a: { moduleName: 'k3s-server', status: 'failed', error: REASON } };
  const instance = { kind: 'known', phase: 'running', drain: 'none', modules };
  const told: { action?: { kind: string; reason?: string } }[] = [];
  const transactor = {
    read: async (stream: string, decider: unknown) => {
      if (stream.startsWith('cluster_rollout-')) return { state: rollout };
      if (decider === clusterDecider) return { state: cluster as unknown as Cluster };
      return stream === instance_id ? { state: instance } : undefined;
    },
    transact: async (_: string, __: unknown, command: object) => (told.push(command), { kind: 'accepted' }),
  };
  const probe = { look: async () => new Map([[instance_id, { ready: false, detail: 'K3s is restarted' }]]) };
  const parts = [transactor, undefined, { wallMs: () => 60_000 }, folded(happened), probe, undefined] as unknown;
  const handler = new AdvanceRolloutHandler(...(parts as ConstructorParameters<typeof AdvanceRolloutHandler>));
  await handler.execute(new AdvanceRollout(ids, {} as never));
  return told.find(({ action }) => action?.kind === 'fail')?.action?.reason;
};

describe('a failure that was told of a node', () => {
  const isOver = (...happened: DomainEvent[]) => folded(happened).isWellAgain(instance_id);

  it('is none of a rollout that began with the node after it', async () => {
    expect(isOver(failed, started)).toBe(false);
    expect(isOver(failed, started, changing)).toBe(true);
    expect(await reasonAfter(failed, started, changing)).toBeUndefined();
  });

  it('counts when it comes then, also when the rollout tries again: the agent does not say the same twice', async () => {
    expect(await reasonAfter(failed, started, changing, failed)).toBe(REASON);
    expect(await reasonAfter(started, changing, failed, again, changing)).toBe(REASON);
  });

  it('is over when the node is ready, and when it is ready again', () => {
    expect(isOver(started, changing, failed)).toBe(false);
    expect(isOver(started, changing, failed, ofCluster('system.k3s.handshake.ready'))).toBe(true);
    expect(isOver(started, changing, failed, ofCluster('system.k3s.node.ready'))).toBe(true);
  });
});
