import fc from 'fast-check';
import { acceptedNow, nextActionOf, nextFor } from './advice.js';
import { rolloutDecider, type RolloutCommand } from './decide.js';
import type { PlannedNode, RolloutOptions } from './events.js';
import { nextActions, type Facts, type NodeFacts } from './next.js';
import {
  isActive,
  isFinished,
  isKnown,
  progressOf,
  type Rollout,
  type RolloutEvent,
  type RolloutState,
} from './state.js';

const CLUSTER = 'cluster-00000000-0000-4000-8000-000000000001' as never;
const OLD = 'old';
const NEW = 'new';
const OPTIONS: RolloutOptions = {
  max_unavailable: 2,
  canary: 1,
  canary_soak_seconds: 5,
  drain: true,
  drain_timeout_seconds: 30,
  node_timeout_seconds: 60,
};

interface Machine {
  running: string;
  want: string;
  drain: 'none' | 'draining' | 'drained';
  cordoned: boolean;
  /** What it does when it is told to change. */
  broken: boolean;
  sick: boolean;
  gone: boolean;
}

/** A cluster on paper, whose machines do what they are told in their own time. */
class World {
  state: RolloutState = rolloutDecider.initial;
  readonly events: RolloutEvent[] = [];
  readonly machines = new Map<string, Machine>();
  nowMs = 1_000_000;

  constructor(servers: number, workers: number, options: RolloutOptions) {
    const nodes: PlannedNode[] = [];
    for (let n = 0; n < servers + workers; n++) {
      const role = n < servers ? ('server' as const) : ('agent' as const);
      const instance_id = `instance-00000000-0000-4000-8000-${String(n).padStart(12, '0')}` as never;
      const canary = n === 0 || (n >= servers && n < servers + options.canary);
      const name = `n${n}`;
      nodes.push({ instance_id, name, role, canary, from_version: OLD, from_version_id: null, was_drained: false });
      const machine = { running: OLD, want: OLD, drain: 'none' as const, cordoned: false };
      this.machines.set(instance_id, { ...machine, broken: false, sick: false, gone: false });
    }
    const change = { kind: 'upgrade' as const, version: NEW, version_id: 'v', from_version_id: null };
    this.do({ kind: 'start', plan: { cluster_id: CLUSTER, at_ms: this.nowMs, change, options, nodes } });
  }

  get rollout(): Rollout {
    if (!isKnown(this.state)) throw new Error('not started');
    return this.state;
  }

  do(command: RolloutCommand): string {
    const decision = rolloutDecider.decide(command, this.state);
    if (decision.kind !== 'accept') return decision.kind;
    for (const event of decision.events) {
      this.events.push(event);
      this.state = rolloutDecider.evolve(this.state, event);
      if (event.type === 'system.k3s.rollout.node_progressed' && event.data.phase === 'changing')
        this.machines.get(event.data.instance_id)!.want = event.data.direction === 'forward' ? NEW : OLD;
    }
    return 'accept';
  }

  facts(): Facts {
    const { direction } = this.rollout;
    return new Map(
      [...this.machines].map(([id, m]): [string, NodeFacts] => {
        const goal = direction === 'forward' ? NEW : OLD;
        const touched = this.rollout.nodes.find((n) => n.instanceId === id)!;
        const expected = touched.phase === 'pending' ? m.running : goal;
        return [
          id,
          {
            member: !m.gone,
            drain: m.drain,
            cordoned: m.cordoned,
            changed: m.running === goal && m.want === goal,
            healthy: !m.sick && !m.gone && m.running === expected,
            detail: m.sick ? 'sick' : '',
            failure: m.broken && m.want !== m.running ? 'does not start' : null,
          },
        ];
      }),
    );
  }

  /** One round of a platform that looked at `state` and `facts` a while ago: it may be one of two. */
  advance(state = this.rollout, facts = this.facts(), until = Infinity): void {
    let made = 0;
    for (const action of nextActions(state, facts, this.nowMs)) {
      if (made++ >= until) return;
      if (action.kind === 'drain') this.machine(action.node.instanceId).drain = 'draining';
      else if (action.kind === 'uncordon') {
        const machine = this.machine(action.node.instanceId);
        machine.drain = 'none';
        machine.cordoned = false;
      } else this.do({ kind: 'step', run: state.run, action, atMs: this.nowMs });
      this.check();
    }
  }

  machine(id: string): Machine {
    return this.machines.get(id)!;
  }

  /** Time passes: drains end, programs start. */
  live(): void {
    this.nowMs += 2_000;
    for (const m of this.machines.values()) {
      if (m.drain === 'draining') {
        m.drain = 'drained';
        m.cordoned = true;
      }
      if (!m.broken || m.want === OLD) m.running = m.want;
    }
  }

  /** What must hold at every moment. */
  check(): void {
    // Advice names what would be done.
    for (const kind of acceptedNow(this.rollout)) {
      const command = kind === 'rollback' ? ({ kind, late: [] } as const) : ({ kind } as const);
      expect([kind, rolloutDecider.decide(command, this.state).kind]).toEqual([kind, 'accept']);
    }
    const { nodes, options, direction } = this.rollout;
    const away = nodes.filter(isActive);
    expect(away.filter((n) => n.role === 'server').length).toBeLessThanOrEqual(1);
    expect(away.filter((n) => n.role === 'agent').length).toBeLessThanOrEqual(options.max_unavailable);
    const changed = (n: { instanceId: string }) => this.machine(n.instanceId).want === NEW;
    const members = nodes.filter((n) => !this.machine(n.instanceId).gone);
    const servers = members.filter((n) => n.role === 'server');
    // No kubelet is newer than a server, on the way there and on the way back.
    if (members.some((n) => n.role === 'agent' && changed(n))) expect(servers.every(changed)).toBe(true);
    if (direction === 'forward' && nodes.some((n) => n.role === 'agent' && isActive(n)))
      expect(servers.every((n) => n.phase === 'done')).toBe(true);
  }

  begun(): string[] {
    return this.events.flatMap((e) =>
      e.type === 'system.k3s.rollout.node_progressed' && e.data.phase === 'draining' ? [e.data.instance_id] : [],
    );
  }

  run(rounds = 300): void {
    for (let i = 0; i < rounds && !isFinished(this.rollout) && this.rollout.status !== 'stopped'; i++) {
      this.live();
      this.advance();
    }
  }
}

const names = (ids: readonly string[]) => ids.map((id) => `n${Number(id.slice(-12))}`);

it('takes the servers one by one, then the canary, then the workers two at a time', () => {
  const world = new World(3, 4, OPTIONS);
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
  const world = new World(3, 2, OPTIONS);
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
  const world = new World(3, 3, OPTIONS);
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
  const world = new World(1, 2, { ...OPTIONS, max_unavailable: 1 });
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
  const world = new World(1, 3, { ...OPTIONS, canary_soak_seconds: 20 });
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
  const world = new World(3, 0, OPTIONS);
  [...world.machines.values()][2]!.sick = true;
  world.run();
  expect(world.rollout.status).toBe('stopped');
  expect(world.rollout.nodes[0]?.error).toContain('server n2 is not healthy');
  expect(world.begun()).toEqual([]);
});

it('pauses between nodes, and an abort lets the node under way end', () => {
  const world = new World(1, 3, OPTIONS);
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
  const world = new World(1, 2, OPTIONS);
  world.machine(world.rollout.nodes[1]!.instanceId).gone = true;
  world.run();
  expect(world.rollout.status).toBe('completed');
  expect(world.rollout.nodes[1]?.phase).toBe('skipped');
});

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
      const world = new World(s.servers, s.workers, {
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
const settle = (world: World): void => {
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

describe('a server that the rollout leaves as it is', () => {
  it('holds up the others while it is away, and stops the rollout when that lasts', () => {
    const w = new World(2, 0, { ...OPTIONS, canary: 0 });
    const away: NodeFacts = {
      ...{ member: true, drain: 'none', cordoned: false, changed: true, healthy: false, failure: null },
      detail: 'its API server does not answer',
    };
    const seen = (late: number) => nextActions(w.rollout, new Map([...w.facts(), ['s3', away]]), w.nowMs + late);
    expect(seen(0)).toEqual([]);
    expect(seen(61_000)).toMatchObject([{ kind: 'fail', reason: expect.stringContaining('its API server') }]);
    const back = new Map([...w.facts(), ['s3', { ...away, healthy: true }]]);
    expect(nextActions(w.rollout, back, w.nowMs)).toMatchObject([{ kind: 'phase', phase: 'draining' }]);
  });

  it('has as long again for its return after the rollout was told to go on', () => {
    const w = new World(2, 0, { ...OPTIONS, canary: 0 });
    const sick = w.machine(w.rollout.nodes[1]!.instanceId);
    sick.sick = true;
    w.run();
    expect(w.rollout.status).toBe('stopped');
    w.nowMs += 3_600_000;
    expect(w.do({ kind: 'resume', atMs: w.nowMs })).toBe('accept');
    w.advance();
    expect(w.rollout.status).toBe('running');
    w.run();
    expect(w.rollout.nodes[0]?.error).toContain('server n1 is not healthy');
    expect(w.do({ kind: 'resume', atMs: w.nowMs })).toBe('accept');
    sick.sick = false;
    w.run();
    expect(w.rollout.status).toBe('completed');
  });

  it('keeps no certificates from being renewed where etcd can spare one more, one server at a time', () => {
    const w = new World(3, 1, { ...OPTIONS, canary: 0 });
    const rollout: Rollout = { ...w.rollout, change: { kind: 'certificates' } };
    const dead: NodeFacts = {
      ...{ member: true, drain: 'none', cordoned: false, changed: true, healthy: false, failure: null },
      detail: 'it is away',
    };
    const healthy = { ...dead, healthy: true };
    const facts = (...more: NodeFacts[]) =>
      new Map([...w.facts(), ...more.map((f, n): [string, NodeFacts] => [`other-${n}`, f])]);
    const first = [{ kind: 'phase', phase: 'draining', node: { name: 'n0' } }];
    // Of five members four live, and three are enough; of four there would be two left.
    expect(nextActions(rollout, facts(healthy, dead), w.nowMs, 3)).toMatchObject(first);
    expect(nextActions(rollout, facts(dead), w.nowMs, 3)).toEqual([]);
    expect(nextActions(w.rollout, facts(healthy, dead), w.nowMs, 3)).toEqual([]);
    // One that is renewed and unwell holds up the rest as ever.
    w.machine(rollout.nodes[1]!.instanceId).sick = true;
    expect(nextActions(rollout, facts(healthy, healthy, dead), w.nowMs, 3)).toEqual([]);
  });
});

describe('advice on a rotation of the server token', () => {
  const w = new World(2, 0, { ...OPTIONS, canary: 0 });
  const run = w.rollout.run;
  const stopped: Rollout = { ...w.rollout, change: { kind: 'server_token' }, status: 'stopped' };
  const begun = { ...stopped, nodes: stopped.nodes.map((n) => ({ ...n, touched: true })) };

  it('names an abort only while, and again when, K3s knows nothing of the new token', () => {
    expect(acceptedNow(stopped)).toEqual(['resume', 'abort']);
    expect(acceptedNow(begun)).toEqual(['resume']);
    for (const phase of ['chosen', 'made'] as const)
      expect(acceptedNow(stopped, { run, ref: 'r', phase })).toEqual(['resume']);
    expect(acceptedNow(begun, { run, ref: 'r', phase: 'dropped' })).toEqual(['resume', 'abort']);
    expect(nextActionOf(begun, { run, ref: 'r', phase: 'made' })).toBe(
      'look at last_error, then kubernetes_resume_upgrade; or kubernetes_restore_snapshot, which ends it',
    );
    expect([nextFor(begun), nextFor({ ...begun, status: 'completed' })]).toEqual([
      'it can be resumed',
      'start a new one',
    ]);
  });
});
