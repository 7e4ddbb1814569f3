import { names, NEW, OLD, OPTIONS, RolloutWorld } from '../testing/rollout-world.js';
import { rolloutDecider } from './decide.js';
import { progressOf } from './state.js';

it('takes the servers one by one, then the canary, then the workers two at a time', () => {
  const world = new RolloutWorld(3, 4, OPTIONS);
  world.run();
  expect(world.rollout.status).toBe('completed');
  expect(names(world.begun())).toEqual(['n0', 'n1', 'n2', 'n3', 'n4', 'n5', 'n6']);
  expect(progressOf(world.rollout)).toEqual({ percent: 100, done: 7, total: 7 });
  const at = (id: string, phase: string) =>
    world.events.findIndex((e) => {
      const { data } = e;
      return (
        e.type === 'system.k3s.rollout.node_progressed' &&
        'phase' in data &&
        data.phase === phase &&
        names([data.instance_id])[0] === id
      );
    });
  // The canary was done before any other worker began, and two of the rest were away together.
  expect(at('n3', 'done')).toBeLessThan(at('n4', 'draining'));
  expect(at('n5', 'draining')).toBeLessThan(at('n4', 'done'));
  for (const machine of world.machines.values()) expect(machine).toMatchObject({ running: NEW, drain: 'none' });
});

it('stops at a failure, begins nothing more, and goes on when told to', () => {
  const world = new RolloutWorld(3, 2, OPTIONS);
  const broken = [...world.machines.values()][1]!;
  broken.broken = true;
  world.run();
  expect(world.rollout.status).toBe('stopped');
  expect(world.rollout.nodes.find((n) => n.phase === 'failed')).toMatchObject({ name: 'n1', error: 'does not start' });
  const before = world.begun().length;
  world.run(20);
  expect(world.begun()).toHaveLength(before);
  broken.broken = false;
  expect(world.do({ kind: 'resume' })).toBe('accept');
  world.run();
  expect(world.rollout.status).toBe('completed');
});

it('rolls back what was touched, workers before servers, and leaves the rest alone', () => {
  const world = new RolloutWorld(3, 3, OPTIONS);
  [...world.machines.values()][4]!.broken = true;
  world.run();
  expect(world.rollout.status).toBe('stopped');
  const forward = world.begun().length;
  expect(world.do({ kind: 'rollback', late: [] })).toBe('accept');
  world.run();
  expect(world.rollout.status).toBe('rolled_back');
  const back = names(world.begun().slice(forward));
  expect(back.slice(-3)).toEqual(['n2', 'n1', 'n0']);
  expect(new Set(back).size).toBe(back.length);
  for (const machine of world.machines.values()) expect(machine).toMatchObject({ running: OLD, drain: 'none' });
});

it('rolls back who joined when the upgrade was done, one by one like the others', () => {
  const world = new RolloutWorld(1, 2, { ...OPTIONS, max_unavailable: 1 });
  world.run();
  expect(world.rollout.status).toBe('completed');
  const forward = world.begun().length;
  const node = { name: 'late', role: 'agent', canary: false, from_version: OLD } as const;
  const instance_id = 'instance-00000000-0000-4000-8000-000000000099' as never;
  const running = {
    running: NEW,
    want: NEW,
    drain: 'none',
    cordoned: false,
    broken: false,
    sick: false,
    gone: false,
  } as const;
  world.machines.set(instance_id, { ...running });
  expect(
    world.do({ kind: 'rollback', late: [{ ...node, instance_id, from_version_id: null, was_drained: false }] }),
  ).toBe('accept');
  world.run();
  expect(world.rollout.status).toBe('rolled_back');
  expect(new Set(names(world.begun().slice(forward)))).toEqual(new Set(['n99', 'n0', 'n1', 'n2']));
  expect(world.begun().at(-1)).toBe(world.rollout.nodes.find((n) => n.role === 'server')!.instanceId);
  expect(world.machine(instance_id)).toMatchObject({ running: OLD, drain: 'none' });
});

it('fails a canary that falls ill while it is watched', () => {
  const world = new RolloutWorld(1, 3, { ...OPTIONS, canary_soak_seconds: 20 });
  while (world.rollout.nodes[1]!.phase !== 'done') {
    world.live();
    world.advance();
  }
  world.machine(world.rollout.nodes[1]!.instanceId).sick = true;
  // What the gate saw when it was done is one thing; a watched canary answers for the whole soak.
  const sick = world.rollout.nodes[1]!;
  world.live();
  world.advance();
  expect(world.rollout).toMatchObject({ status: 'stopped' });
  expect(world.rollout.nodes.find((n) => n.instanceId === sick.instanceId)?.error).toContain('canary');
  expect(names(world.begun())).toEqual(['n0', 'n1']);
});

it('waits for a server that does badly instead of taking another away, and says so when that lasts', () => {
  const world = new RolloutWorld(3, 0, OPTIONS);
  [...world.machines.values()][2]!.sick = true;
  world.run();
  expect(world.rollout.status).toBe('stopped');
  expect(world.rollout.nodes[0]?.error).toContain('server n2 is not healthy');
  expect(world.begun()).toEqual([]);
});

it('pauses between nodes, and an abort lets the node under way end', () => {
  const world = new RolloutWorld(1, 3, OPTIONS);
  world.advance();
  expect(world.do({ kind: 'pause' })).toBe('accept');
  world.run(30);
  expect(world.rollout).toMatchObject({ status: 'paused' });
  expect(world.rollout.nodes[0]?.phase).toBe('done');
  expect(world.begun()).toHaveLength(1);
  world.do({ kind: 'resume' });
  for (let i = 0; i < 20 && world.begun().length < 2; i++) {
    world.live();
    world.advance();
  }
  world.do({ kind: 'abort' });
  world.run();
  expect(world.rollout.status).toBe('aborted');
  expect(world.rollout.nodes.map((n) => n.phase)).toEqual(['done', 'done', 'skipped', 'skipped']);
  expect(rolloutDecider.decide({ kind: 'pause' }, world.state)).toMatchObject({
    kind: 'reject',
    refusal: { code: 'upgrade_state', hint: 'it can be rolled back, or a new one started' },
  });
});

it('goes on without a node that left the cluster', () => {
  const world = new RolloutWorld(1, 2, OPTIONS);
  world.machine(world.rollout.nodes[1]!.instanceId).gone = true;
  world.run();
  expect(world.rollout.status).toBe('completed');
  expect(world.rollout.nodes[1]?.phase).toBe('skipped');
});
