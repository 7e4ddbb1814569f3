import { nextActionOf } from './advice.js';
import { rolloutDecider, type RolloutCommand } from './decide.js';
import type { PlannedNode } from './events.js';
import { nextActions, type NodeFacts } from './next.js';
import { isFinished, isKnown, progressOf, type Rollout, type RolloutState } from './state.js';

const TIMEOUT_S = 60;
const id = (name: string) => `instance-00000000-0000-4000-8000-${name.slice(1).padStart(12, '0')}`;
const well = { member: true, drain: 'none', cordoned: false, changed: true, healthy: true } as const;

/** A rollout of certificates over servers s1… and a worker w9, whose machines are well unless something else is said of them. */
const make = (servers: number, more: Partial<NodeFacts> = {}) => {
  let state: RolloutState = rolloutDecider.initial;
  let nowMs = 1_000;
  const said = new Map<string, Partial<NodeFacts>>();
  const apply = (command: RolloutCommand): string => {
    const decision = rolloutDecider.decide(command, state);
    if (decision.kind === 'accept') state = decision.events.reduce(rolloutDecider.evolve, state);
    return decision.kind;
  };
  const names = [...Array.from({ length: servers }, (_, n) => `s${n + 1}`), 'w9'];
  const nodes = names.map((name): PlannedNode => {
    const plan = { instance_id: id(name) as never, name, role: name === 'w9' ? 'agent' : 'server' } as const;
    return { ...plan, canary: false, from_version: null, from_version_id: null, was_drained: false };
  });
  const pace = { max_unavailable: 1, canary: 0, canary_soak_seconds: 0, drain: false };
  const options = { ...pace, drain_timeout_seconds: 30, node_timeout_seconds: TIMEOUT_S };
  const plan = { cluster_id: 'cluster-00000000-0000-4000-8000-000000000001' as never, at_ms: nowMs, options, nodes };
  apply({ kind: 'start', plan: { ...plan, change: { kind: 'certificates' } } });
  const rollout = (): Rollout => {
    if (!isKnown(state)) throw new Error('not started');
    return state;
  };
  const look = (): void => {
    const facts = new Map(
      names.map((name) => [id(name), { ...well, detail: '', failure: null, ...more, ...said.get(name) }]),
    );
    for (const action of nextActions(rollout(), facts, nowMs, Math.floor(servers / 2) + 1)) {
      if (action.kind === 'resume') apply({ kind: 'resume', byItself: true, atMs: nowMs });
      else if (action.kind !== 'drain' && action.kind !== 'uncordon')
        apply({ kind: 'step', run: 1, action, atMs: nowMs });
    }
  };
  const phaseOf = (name: string) => rollout().nodes.find((n) => n.name === name)!.phase;
  const run = (rounds = 200, until = () => false): void => {
    for (let n = 0; n < rounds && !isFinished(rollout()) && !until(); n++) {
      nowMs += 2_000;
      look();
    }
  };
  /** It dies when it was told, and does nothing until something else is said of it. */
  const dies = (name: string): void => {
    run(200, () => phaseOf(name) === 'changing');
    said.set(name, { changed: false, healthy: false, detail: 'it is away' });
  };
  return {
    run,
    dies,
    said,
    rollout,
    apply,
    phaseOf,
    id,
    error: (n: string) => rollout().nodes.find((x) => x.name === n)!.error,
  };
};

describe('a server that dies while its certificates are made anew', () => {
  it('is left out where etcd can spare another one, and the reason stays to be read', () => {
    const it = make(5);
    it.dies('s2');
    it.run();
    expect(it.rollout().status).toBe('completed');
    expect(it.rollout().nodes.map((n) => n.phase)).toEqual(['done', 'skipped', 'done', 'done', 'done', 'done']);
    expect(it.error('s2')).toMatch(/^left out: not ready after 60 s: it is away; it makes its certificates anew when/);
  });

  it('does not hold up the workers when it was the last server', () => {
    const it = make(3);
    it.dies('s3');
    it.run();
    expect([it.rollout().status, it.phaseOf('s3'), it.phaseOf('w9')]).toEqual(['completed', 'skipped', 'done']);
  });

  it('is not given up for an operator because another server does not answer for a moment when its time is up', () => {
    const it = make(3);
    it.dies('s3');
    it.said.set('s1', { healthy: false, detail: 'no answer in time' });
    it.run(35);
    expect([it.rollout().status, it.phaseOf('s3')]).toEqual(['running', 'changing']);
    it.said.delete('s1');
    it.run();
    expect([it.rollout().status, it.phaseOf('s3')]).toEqual(['completed', 'skipped']);
    const other = make(3);
    other.dies('s3');
    other.said.set('s1', { healthy: false, detail: 'it is away as well' });
    other.run();
    expect([other.rollout().status, other.phaseOf('s3')]).toEqual(['stopped', 'failed']);
  });

  it('is owed when all is over, which is said until it reports or is forgotten, and is done then', () => {
    const it = make(3);
    it.dies('s3');
    it.run();
    expect(nextActionOf(it.rollout())).toMatch(/^s3 makes its certificates anew when it is back/);
    expect(nextActionOf(it.rollout(), null, (id) => id !== it.id('s3'))).toBeNull();
    expect(progressOf(it.rollout())).toMatchObject({ done: 3, total: 3 });
    const report = (name: string, run = 1) =>
      it.apply({ kind: 'report', run, instanceId: it.id(name), certificatesEndMs: null, atMs: 9_000_000 });
    expect([report('s1'), report('s3', 2)]).toEqual(['nothing', 'nothing']);
    expect(it.error('s3')).toMatch(/^left out: /);
    expect([report('s3'), report('s3')]).toEqual(['accept', 'nothing']);
    expect(it.rollout().nodes.find((n) => n.name === 's3')).toMatchObject({
      ...{ phase: 'done', error: null, reported: true, sinceMs: 9_000_000 },
    });
    expect(progressOf(it.rollout())).toEqual({ percent: 100, done: 4, total: 4 });
    expect([it.rollout().status, nextActionOf(it.rollout())]).toEqual(['completed', null]);
  });

  it('and is back before the others are done counts as done at once, and is watched like them', () => {
    const it = make(5);
    it.dies('s2');
    it.run(200, () => it.phaseOf('s2') === 'skipped' && it.phaseOf('s4') === 'changing');
    it.said.delete('s2');
    it.apply({ kind: 'report', run: 1, instanceId: it.id('s2'), certificatesEndMs: null });
    expect([it.phaseOf('s2'), it.error('s2')]).toEqual(['done', null]);
    it.said.set('s2', { healthy: false, detail: 'ill of its new certificates' });
    it.run();
    expect([it.rollout().status, it.phaseOf('s5')]).toEqual(['stopped', 'failed']);
  });

  it('stops the rollout where etcd cannot spare another one; it goes on by itself once all of it is back', () => {
    const it = make(3);
    it.dies('s2');
    it.run();
    expect([it.rollout().status, it.phaseOf('s2'), it.phaseOf('s3')]).toEqual(['stopped', 'failed', 'pending']);
    expect(nextActionOf(it.rollout())).toMatch(/^it goes on by itself when all servers are ready again/);
    // Up again, but its agent has not said yet that it has done what it was told.
    it.said.set('s2', { changed: false });
    it.run(20);
    expect(it.rollout().status).toBe('stopped');
    it.said.delete('s2');
    it.run();
    expect(it.rollout().status).toBe('completed');
    expect(it.rollout().nodes.every((n) => n.phase === 'done')).toBe(true);
  });

  it('is waited for no more once it was forgotten', () => {
    const it = make(3);
    it.dies('s2');
    it.run();
    it.said.set('s2', { member: false, healthy: false });
    it.run();
    expect([it.rollout().status, it.error('s2')]).toEqual(['completed', 'it left the cluster']);
  });

  it('again and again is an operator’s: after three times nothing is restarted without a word', () => {
    const it = make(3);
    it.dies('s2');
    for (let n = 0; n < 3; n++) {
      it.run(200, () => it.rollout().status === 'stopped');
      it.said.delete('s2');
      it.run(1);
      expect(it.rollout().status).toBe('running');
      it.said.set('s2', { changed: false, healthy: false });
    }
    it.run();
    it.said.delete('s2');
    it.run(50);
    expect(it.rollout().status).toBe('stopped');
    expect(nextActionOf(it.rollout())).toBe(
      'look at last_error, then kubernetes_resume_upgrade or kubernetes_abort_upgrade',
    );
    expect(it.apply({ kind: 'resume' })).toBe('accept');
    it.run();
    expect(it.rollout().status).toBe('completed');
  });

  it('and says why it cannot is an operator’s as well, also with servers to spare', () => {
    const it = make(5);
    it.dies('s2');
    it.said.set('s2', { changed: false, healthy: false, failure: 'k3s certificate rotate failed' });
    it.run(100);
    expect([it.rollout().status, it.error('s2')]).toEqual(['stopped', 'k3s certificate rotate failed']);
  });
});
