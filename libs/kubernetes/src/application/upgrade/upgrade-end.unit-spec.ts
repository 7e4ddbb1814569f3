import type { DomainEvent } from '#kernel';
import type { RecordedEvent } from '#event-store';
import type { ProcessInput, ProcessOutput } from '#processing';
import { ClusterDecommissioned, NodeReadyAgain } from '../../domain/cluster/events.js';
import * as events from '../../domain/upgrade/events.js';
import { cluster_id, clusterClaimed, emptyLog, instance_id } from '../../testing/one-server.js';
import { KubernetesDirectory } from '../directory.js';
import { AdvanceRolloutHandler } from './advance.handler.js';
import { AdvanceRollout } from './commands.js';
import { rolloutManager } from './manager.js';
import type { NodeProbe } from './node-probe.js';
import { readRollout, rolloutStream } from './rollouts.js';
import { VersionDirectory } from './version-directory.js';

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

  it('looks closely when a server is back that a rollout of certificates stopped for, and slowly as long as it goes on by itself', () => {
    const failed = events.RolloutNodeFailed({
      ...{ cluster_id, run: 1, instance_id, direction: 'forward', reason: 'away', percent: 40, done: 0, total: 1 },
    });
    const back = NodeReadyAgain({ cluster_id, instance_id });
    expect(rolloutManager.correlate({ type: back.type, data: back.data } as never)).toBe(cluster_id);
    const hour = '2026-01-01T01:00:00.000Z';
    const later = { ...(input(back) as object), event: { ...back, meta: { occurredAt: hour } } } as never;
    const all = [input(started), answered, input(changing), answered, input(failed), answered, later];
    let state = rolloutManager.initial;
    for (const one of all) state = rolloutManager.react(state, one).state;
    const waited: number[] = [];
    // Paced by the time of what it heard, not by that of its last rollout.
    for (let [looks, nowMs] = [0, Date.parse(hour)]; looks < 100; looks++) {
      const asked = rolloutManager.react(state, answered);
      const timer = asked.outputs.find((o) => o.kind === 'timer') as { name: string; dueMs: number };
      waited.push(timer.dueMs - nowMs);
      nowMs = timer.dueMs;
      const looked = rolloutManager.react(asked.state, {
        kind: 'timer',
        name: timer.name,
        dueMs: nowMs,
      } as ProcessInput);
      expect(looked.outputs.map(({ kind }) => kind)).toEqual(['command']);
      ({ state } = looked);
    }
    expect(waited.slice(0, 30).every((ms) => ms <= 5_000)).toBe(true);
    expect(waited.slice(-50)).toEqual(Array(50).fill(5 * 60_000));
  });

  it('hears of the end of its cluster, also while it waits', () => {
    expect(rolloutManager.correlate({ type: gone.type, data: gone.data } as never)).toBe(cluster_id);
    expect(after(input(started), answered, paused, answered, input(gone))).toEqual(['command']);
    expect(after(input(gone))).toEqual(['cancel_timer']);
  });
});

describe('a rollout whose cluster is decommissioned under it', () => {
  it('comes to its end, with a node that was under way', async () => {
    const { clock, transactor, dispatcher, context, put } = emptyLog();
    await put(cluster_id, clusterClaimed);
    await put(rolloutStream(cluster_id), started, changing);
    await put(cluster_id, gone);
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
