import { OPTIONS, RolloutWorld } from '../testing/rollout-world.js';
import { acceptedNow, nextActionOf, nextFor } from './advice.js';
import { nextActions, type NodeFacts } from './next.js';
import type { Rollout } from './state.js';

describe('a server that the rollout leaves as it is', () => {
  it('holds up the others while it is away, and stops the rollout when that lasts', () => {
    const w = new RolloutWorld(2, 0, { ...OPTIONS, canary: 0 });
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
    const w = new RolloutWorld(2, 0, { ...OPTIONS, canary: 0 });
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
    const w = new RolloutWorld(3, 1, { ...OPTIONS, canary: 0 });
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
  const w = new RolloutWorld(2, 0, { ...OPTIONS, canary: 0 });
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
