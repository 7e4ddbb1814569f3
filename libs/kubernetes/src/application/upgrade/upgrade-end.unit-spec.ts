import { accept, ManualClock, type Decider, type DomainEvent } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { createInMemoryPlatform, type CommandContext, type ProcessInput, type ProcessOutput } from '#processing';
import { ClusterClaimed, ClusterDecommissioned } from '../../domain/cluster/events.js';
import { kubernetesEvents } from '../../domain/events.js';
import * as events from '../../domain/upgrade/events.js';
import { KubernetesDirectory } from '../directory.js';
import { AdvanceRolloutHandler } from './advance.handler.js';
import { AdvanceRollout } from './commands.js';
import { rolloutManager } from './manager.js';
import type { NodeProbe } from './node-probe.js';
import { readRollout, rolloutStream } from './rollouts.js';
import { VersionDirectory } from './version-directory.js';

const cluster_id = 'cluster-00000000-0000-4000-8000-000000000001' as never;
const instance_id = 'instance-00000000-0000-4000-8000-000000000001' as never;
const node = {
  instance_id,
  name: 'n',
  role: 'server',
  canary: false,
  from_version: 'old',
  from_version_id: null,
} as const;
const options = { max_unavailable: 1, canary: 0, canary_soak_seconds: 0, drain: false } as const;
const seconds = { drain_timeout_seconds: 30, node_timeout_seconds: 60 };
const started = events.RolloutStarted({
  ...{ cluster_id, run: 1, at_ms: 1, change: { kind: 'certificates' }, options: { ...options, ...seconds } },
  nodes: [{ ...node, was_drained: false }],
});
const changing = events.RolloutNodeProgressed({
  ...{ cluster_id, run: 1, instance_id, direction: 'forward', phase: 'changing', at_ms: 2, detail: '' },
  ...{ percent: 40, done: 0, total: 1 },
});
const gone = ClusterDecommissioned({ cluster_id, name: 'c', freed_instances: [] });

const input = (event: DomainEvent): ProcessInput => {
  const at = '2026-01-01T00:00:00.000Z';
  return { kind: 'event', event: { ...event, recordedAt: at, meta: { occurredAt: at } } as unknown as RecordedEvent };
};
const answered: ProcessInput = { kind: 'command_result', command: AdvanceRollout.type, outcome: 'done', payload: {} };
const after = (...inputs: ProcessInput[]) => {
  let state = rolloutManager.initial;
  let outputs: readonly ProcessOutput[] = [];
  for (const one of inputs) ({ state, outputs } = rolloutManager.react(state, one));
  return outputs.map(({ kind }) => kind).filter((kind) => kind !== 'note');
};

describe('the process of a rollout', () => {
  const paused = input(events.RolloutPaused({ cluster_id, run: 1 }));

  it('looks again and again while it runs, or while a node is under way', () => {
    expect(after(input(started), answered)).toEqual(['timer']);
    expect(after(input(started), answered, input(changing), answered, paused, answered)).toEqual(['timer']);
  });

  it('writes nothing more into the log while it only waits for an operator', () => {
    expect(after(input(started), answered, paused, answered)).toEqual([]);
    expect(
      after(
        input(started),
        answered,
        paused,
        answered,
        input(events.RolloutResumed({ cluster_id, run: 1, retried: [] })),
      ),
    ).toEqual(['command']);
  });

  it('hears of the end of its cluster, also while it waits', () => {
    expect(rolloutManager.correlate({ type: gone.type, data: gone.data } as never)).toBe(cluster_id);
    expect(after(input(started), answered, paused, answered, input(gone))).toEqual(['command']);
    expect(after(input(gone))).toEqual(['cancel_timer']);
  });
});

const append: Decider<null, DomainEvent, DomainEvent> = { initial: null, evolve: (s) => s, decide: (e) => accept(e) };

describe('a rollout whose cluster is decommissioned under it', () => {
  it('comes to its end, with a node that was under way', async () => {
    const clock = new ManualClock();
    const { transactor, dispatcher } = createInMemoryPlatform({ definitions: kubernetesEvents, clock });
    let steps = 0;
    const context = (): CommandContext => ({
      ...{ commandId: `step-${++steps}`, correlationId: 't', causationId: 't', nowMs: clock.wallMs() },
      accountId: 'account-00000000-0000-4000-8000-000000000001',
      actor: { kind: 'system', id: 'test' },
    });
    const claimed = ClusterClaimed({
      ...{ cluster_id, name: 'c', claimant_instance_id: instance_id, network_id: null, virtual_ip_id: null, vip: null },
      ...{ assignment_id: '00000000-0000-4000-8000-0000000000aa', cni_plugin: 'flannel', pod_cidr: null },
      template_id: 'template-00000000-0000-4000-8000-000000000001',
    });
    for (const [stream, event] of [
      [cluster_id, claimed],
      [rolloutStream(cluster_id), started],
      [rolloutStream(cluster_id), changing],
      [cluster_id, gone],
    ] as const)
      await transactor.transact(stream, append, event, context());
    const probe = { look: () => Promise.reject(new Error('there is nobody to ask')) } as unknown as NodeProbe;
    const versions = new VersionDirectory(new KubernetesDirectory());
    const handler = new AdvanceRolloutHandler(transactor, dispatcher, clock, versions, probe, undefined as never);
    for (let look = 0; look < 3; look++) await handler.execute(new AdvanceRollout({ cluster_id, run: 1 }, context()));
    expect(await readRollout(transactor, cluster_id)).toMatchObject({
      status: 'aborted',
      nodes: [{ phase: 'skipped' }],
    });
  });
});

describe('what a rollout told a node', () => {
  const told = (...more: DomainEvent[]) => {
    const directory = new KubernetesDirectory();
    const versions = new VersionDirectory(directory);
    for (const event of [started, changing, ...more])
      versions.apply({ ...event, meta: { accountId: 'a' } } as unknown as RecordedEvent);
    return versions;
  };

  it('holds in its cluster, and in no other that the node is in later', () => {
    expect(told().generationsOf(instance_id, cluster_id)).toMatchObject({ certificates: 1 });
    expect(told().generationsOf(instance_id, 'cluster-2')).toMatchObject({ certificates: 0 });
    expect(told().generationsOf(instance_id, undefined)).toMatchObject({ certificates: 0 });
  });
});
