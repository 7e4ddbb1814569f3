import fc from 'fast-check';
import { NEW, OLD, OPTIONS, RolloutWorld } from '../testing/rollout-world.js';
import { isFinished } from './state.js';

const disturbance = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ kind: 'live' as const }) },
  { weight: 6, arbitrary: fc.constant({ kind: 'advance' as const }) },
  // A platform that dies after so many of its actions: what it did stands.
  { weight: 2, arbitrary: fc.nat(2).map((until) => ({ kind: 'dies' as const, until })) },
  // Two platforms that looked at the same time, in a takeover.
  { weight: 2, arbitrary: fc.constant({ kind: 'two' as const }) },
  { weight: 1, arbitrary: fc.nat(7).map((n) => ({ kind: 'break' as const, n })) },
  { weight: 1, arbitrary: fc.nat(7).map((n) => ({ kind: 'mend' as const, n })) },
  { weight: 1, arbitrary: fc.nat(7).map((n) => ({ kind: 'leave' as const, n })) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('pause' as const, 'resume' as const, 'abort' as const, 'rollback' as const)
      .map((command) => ({ kind: 'operator' as const, command })),
  },
);

it('keeps its promises whatever breaks, dies or is ordered, and comes to an end', () => {
  const shape = fc.record({
    servers: fc.integer({ min: 1, max: 3 }),
    workers: fc.integer({ min: 0, max: 5 }),
    max: fc.integer({ min: 1, max: 3 }),
    canary: fc.integer({ min: 0, max: 2 }),
    drain: fc.boolean(),
  });
  fc.assert(
    fc.property(shape, fc.array(disturbance, { maxLength: 120 }), (s, story) => {
      const world = new RolloutWorld(s.servers, s.workers, {
        ...OPTIONS,
        max_unavailable: s.max,
        canary: s.canary,
        drain: s.drain,
      });
      const pick = (n: number) => [...world.machines.values()][n % world.machines.size]!;
      for (const it of story) {
        if (it.kind === 'live') world.live();
        else if (it.kind === 'advance') world.advance();
        else if (it.kind === 'dies') world.advance(undefined, undefined, it.until);
        else if (it.kind === 'break') pick(it.n).broken = true;
        else if (it.kind === 'mend') pick(it.n).broken = false;
        else if (it.kind === 'leave') {
          if (s.servers + s.workers > 1 && it.n % world.machines.size >= s.servers) pick(it.n).gone = true;
        } else if (it.kind === 'operator')
          world.do(it.command === 'rollback' ? { kind: it.command, late: [] } : { kind: it.command });
        else {
          const [state, facts] = [world.rollout, world.facts()];
          world.advance(state, facts);
          world.advance(state, facts);
        }
        world.check();
      }
      settle(world);
    }),
    { numRuns: 400 },
  );
});

/** Everything is mended and the operator resumes what stopped: it must end, and every node must be whole. */
const settle = (world: RolloutWorld): void => {
  for (const machine of world.machines.values()) machine.broken = false;
  for (let i = 0; i < 12 && !isFinished(world.rollout); i++) {
    if (world.rollout.status === 'stopped' || world.rollout.status === 'paused') world.do({ kind: 'resume' });
    world.run(200);
  }
  expect(isFinished(world.rollout)).toBe(true);
  const { status, nodes } = world.rollout;
  for (const node of nodes.filter((n) => !world.machine(n.instanceId).gone)) {
    const machine = world.machine(node.instanceId);
    if (status === 'completed') expect(machine.running).toBe(NEW);
    if (status === 'rolled_back') expect(machine.running).toBe(OLD);
    if (node.phase === 'done') expect(machine).toMatchObject({ drain: 'none', cordoned: false });
  }
  const commands = world.events.filter((e) => /resumed|rollback_started/.test(e.type)).length;
  for (const { instanceId } of nodes)
    expect(world.begun().filter((id) => id === instanceId).length).toBeLessThanOrEqual(1 + commands);
};
