import type { EventMeta, RecordedEvent } from '#event-store';
import { gather } from './gather.js';
import { phasesOf } from './phases.js';

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const CLUSTER = `cluster-${uuid(1)}`;
const [ONE, TWO] = [`instance-${uuid(2)}`, `instance-${uuid(3)}`];

const log: RecordedEvent[] = [];
const happened = (stream: string, kind: string, data: object): void => {
  const position = log.length + 1;
  const ids = { commandId: `c${position}`, correlationId: `c${position}`, causationId: `c${position}` };
  const actor = { kind: 'system', id: 'x' } as const;
  const meta: EventMeta = { accountId: 'a', actor, ...ids, occurredAt: '', severity: 'info', links: {}, topics: [] };
  log.push({
    ...{ id: `e${position}`, stream, version: 1, type: `system.${kind}`, schemaVersion: 1, data: { ...data }, meta },
    position: BigInt(position) as RecordedEvent['position'],
    recordedAt: new Date(Date.UTC(2026, 0, 1) + position * 1_000).toISOString(),
  });
};
const store = {
  readStream: async function* (stream: string) {
    yield* log.filter((event) => event.stream === stream);
  },
};
const kindsOf = (events: readonly RecordedEvent[]) => events.map(({ type }) => type.replace('system.', ''));

beforeAll(() => {
  const rollout = `cluster_rollout-${uuid(1)}`;
  happened(CLUSTER, 'cluster.claimed', { cluster_id: CLUSTER, name: 'prod', claimant_instance_id: ONE });
  for (const instance_id of [ONE, TWO])
    happened(instance_id, 'k3s.handshake.ready', { cluster_id: CLUSTER, instance_id });
  happened(CLUSTER, 'k3s.node.draining', { cluster_id: CLUSTER, instance_id: TWO });
  happened(rollout, 'k3s.rollout.started', { cluster_id: CLUSTER, nodes: [{ instance_id: ONE }] });
  happened(rollout, 'k3s.rollout.node_progressed', { cluster_id: CLUSTER, instance_id: ONE, phase: 'draining' });
  happened(`k3s_node-${uuid(2)}`, 'k3s.node.drain_progress', { cluster_id: CLUSTER, instance_id: ONE });
  happened(rollout, 'k3s.rollout.node_progressed', { cluster_id: CLUSTER, instance_id: ONE, phase: 'done' });
  happened(rollout, 'k3s.rollout.finished', { cluster_id: CLUSTER, outcome: 'completed' });
});

it('of a cluster holds its restores, which its schedule of snapshots has heard of', async () => {
  const restore = `etcd_restore-${uuid(9)}`;
  const before = log.length;
  happened(restore, 'k3s.restore.requested', { restore_id: restore, cluster_id: CLUSTER, instance_id: ONE });
  const { type, data, id } = log.at(-1)!;
  const input = { kind: 'event', event: { type, data, id } };
  happened(`pm_schedule-${CLUSTER}`, 'pm.input_received', { instance: CLUSTER, input });
  happened(restore, 'k3s.restore.completed', { restore_id: restore, cluster_id: CLUSTER });
  const { events, names } = await gather(store, ['schedule'], 'a', { kind: 'cluster', id: CLUSTER, name: 'prod' });
  expect(kindsOf(events)).toEqual(expect.arrayContaining(['k3s.restore.requested', 'k3s.restore.completed']));
  expect(phasesOf('cluster', events, names)).toContainEqual(
    expect.objectContaining({ name: 'restoring', outcome: 'done', duration_ms: 2_000 }),
  );
  log.splice(before);
});

it('tells for how long a module had failed, by runtime, also in logs of before its recovery was told', async () => {
  const before = log.length;
  const fails = (module_name: string) => happened(ONE, 'module.failed', { instance_id: ONE, module_name, reason: 'x' });
  fails('k3s-server');
  fails('docker-engine');
  happened(CLUSTER, 'k3s.node.ready', { cluster_id: CLUSTER, instance_id: ONE });
  happened(ONE, 'module.recovered', { instance_id: ONE, module_name: 'k3s-server', from: 'failed', to: 'running' });
  fails('k3s-server');
  happened(ONE, 'module.recovered', { instance_id: ONE, module_name: 'docker-engine', from: 'failed', to: 'running' });
  const { events, names } = await gather(store, [], 'a', { kind: 'instance', id: ONE, name: 's1' });
  const failures = phasesOf('instance', events, names).filter(({ name }) => name === 'module failed');
  expect(failures.map(({ of, outcome, duration_ms }) => [of.split(' ').at(-1), outcome, duration_ms])).toEqual([
    ['k3s', 'done', 2_000],
    ['docker', 'done', 4_000],
    ['k3s', 'open', null],
  ]);
  log.splice(before);
});

const ROLLOUT = ['started', 'node_progressed', 'node_progressed', 'finished'].map((step) => `k3s.rollout.${step}`);

it('of a cluster holds its rollouts and what was done to its nodes, with how long a rollout took', async () => {
  const { events, names } = await gather(store, [], 'a', { kind: 'cluster', id: CLUSTER, name: 'prod' });
  expect(kindsOf(events)).toEqual(kindsOf(log));
  expect(phasesOf('cluster', events, names)).toContainEqual(
    expect.objectContaining({ name: 'rolling out', of: 'prod', outcome: 'done', duration_ms: 4_000 }),
  );
});

it('of an instance holds what a rollout did to it, and nothing of those to which it did nothing', async () => {
  const of = async (id: string) => kindsOf((await gather(store, [], 'a', { kind: 'instance', id, name: id })).events);
  expect(await of(ONE)).toEqual(expect.arrayContaining([...ROLLOUT.slice(0, 3), 'k3s.node.drain_progress']));
  expect((await of(TWO)).filter((kind) => kind.startsWith('k3s.rollout.'))).toEqual([]);
});
