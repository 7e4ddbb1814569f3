import { AGE_PATIENCE_MS, planRotations, SPACING_MS, STUCK_MS } from './rotation-plan.js';
import { id, PATIENCE_MS, World, perform } from '../testing/rotation-world.js';

describe('changes of key in a network where not all answer', () => {
  it('wait in each step no longer than they should for an agent that is dead on a machine that lives', () => {
    const world = new World([true, false, false]);
    world.machines[1]!.linked = false;
    perform(world, { what: 'request', n: 0 });
    for (const n of [0, 2]) world.agent(n);
    const at = (nowMs: number) => planRotations(world.network(), { ...world.facts(), nowMs });
    const why = `p1 has not applied it yet; waited for until ${new Date(PATIENCE_MS).toISOString()}`;
    expect(at(PATIENCE_MS - 1)).toEqual({ steps: [], waiting: new Map([[id(0), [{ peerId: id(1), why }]]]) });
    const { next } = world.machines[0]!;
    const order = { kind: 'order', peerId: id(0), publicKey: next!.key, heldBy: 1, absent: [id(1)] };
    expect(at(PATIENCE_MS).steps).toEqual([order]);
    const old = world.machines[0]!.used;
    world.command(0, { kind: 'order_switch', publicKey: next!.key, heldBy: 1, absent: [id(1)] });
    [world.machines[0]!.used, world.machines[0]!.next] = [next!.key, undefined];
    for (const n of [0, 2]) world.agent(n);
    expect(at(PATIENCE_MS - 1).steps).toEqual([]);
    expect(at(PATIENCE_MS).steps).toEqual([{ kind: 'retire', peerId: id(0), publicKey: old }]);
    world.command(0, { kind: 'retire_key', publicKey: old });
    // Its agent is back, and so it knows.
    perform(world, { what: 'back', n: 1 });
    expect(world.machines[1]!.table.get(id(0))).toEqual([next!.key, null]);
  });

  it('take the time in which no platform was there for nobody’s silence', () => {
    const world = new World([true, false, false]);
    perform(world, { what: 'request', n: 0 });
    world.agent(0);
    const startedMs = 10 * PATIENCE_MS;
    const since = (nowMs: number) =>
      planRotations(world.network(), { ...world.facts(), nowMs, hearsSinceMs: startedMs });
    const waitsFor = (nowMs: number) => since(nowMs).waiting.get(id(0))!;
    // The first that is back is not told to take up a key that nobody else holds.
    expect(since(startedMs).steps).toEqual([]);
    expect(since(startedMs + PATIENCE_MS - 1).steps).toEqual([]);
    const until = new Date(startedMs + PATIENCE_MS).toISOString();
    expect(waitsFor(startedMs).map(({ peerId, why }) => [peerId, why.includes(until)])).toEqual([
      [id(1), true],
      [id(2), true],
    ]);
    expect(since(startedMs + PATIENCE_MS).steps).toMatchObject([{ kind: 'order', absent: [id(1), id(2)] }]);
  });

  it('wait a day for it when nobody asked for them', () => {
    const world = new World([true, false]);
    world.machines[1]!.linked = false;
    world.command(0, { kind: 'request_rotation', reason: 'age' });
    world.agent(0);
    const kinds = (nowMs: number) =>
      planRotations(world.network(), { ...world.facts(), nowMs }).steps.map(({ kind }) => kind);
    expect([kinds(AGE_PATIENCE_MS - 1), kinds(AGE_PATIENCE_MS)]).toEqual([[], ['order']]);
  });

  it('go on while a node that was told to take its key up cannot', () => {
    const world = new World([false, false]);
    for (const n of [0, 1]) perform(world, { what: 'request', n });
    for (let round = 0; round < 2; round++) for (const n of [0, 1]) world.agent(n);
    world.look();
    const orders = (nowMs: number) =>
      planRotations(world.network(), { ...world.facts(), nowMs })
        .steps.filter(({ kind }) => kind === 'order')
        .map(({ peerId }) => peerId);
    for (const n of [0, 1]) world.agent(n);
    expect([orders(STUCK_MS - 1), orders(STUCK_MS)]).toEqual([[], [id(1)]]);
  });

  it('begin by themselves at an age, the oldest first and one at a time', () => {
    const world = new World([true, false, false]);
    for (const [n, sinceMs] of [5_000, 1_000, 9_000].entries()) {
      const peer = world.peers.get(id(n))!;
      world.peers.set(id(n), { ...peer, keys: { ...peer.keys, sinceMs } });
    }
    const at = (nowMs: number, maxAgeMs: number | null) =>
      planRotations(world.network(), { ...world.facts(), nowMs, maxAgeMs }).steps;
    expect(at(100_000, null)).toEqual([]);
    expect(at(10_999, 10_000)).toEqual([]);
    expect(at(20_000, 10_000)).toEqual([{ kind: 'request', peerId: id(1) }]);
    world.machines[1]!.linked = false;
    expect(at(20_000, 10_000)).toEqual([{ kind: 'request', peerId: id(0) }]);
    world.command(0, { kind: 'request_rotation', reason: 'age' });
    expect(at(20_000, 10_000).filter(({ kind }) => kind === 'request')).toEqual([]);
    const changed = world.peers.get(id(0))!;
    world.peers.set(id(0), { ...changed, keys: { ...changed.keys, rotation: null, atMs: 15_000, sinceMs: 15_000 } });
    world.machines[1]!.linked = true;
    expect(at(15_000 + SPACING_MS - 1, 10_000)).toEqual([]);
    expect(at(15_000 + SPACING_MS, 10_000)).toEqual([{ kind: 'request', peerId: id(1) }]);
  });

  it('begin by themselves also while the change of another is stuck: it died on the way, or gets no further', () => {
    const world = new World([true, false, false]);
    const due = (nowMs: number) =>
      planRotations(world.network(), { ...world.facts(), nowMs, maxAgeMs: 1_000 })
        .steps.filter(({ kind }) => kind === 'request')
        .map(({ peerId }) => peerId);
    world.command(0, { kind: 'request_rotation', reason: 'age' });
    expect(due(SPACING_MS)).toEqual([]);
    expect(due(STUCK_MS)).toEqual([id(1)]);
    perform(world, { what: 'die', n: 0 });
    expect(due(SPACING_MS)).toEqual([id(1)]);
    world.command(1, { kind: 'request_rotation', reason: 'age' });
    expect(due(SPACING_MS)).toEqual([]);
  });
});
