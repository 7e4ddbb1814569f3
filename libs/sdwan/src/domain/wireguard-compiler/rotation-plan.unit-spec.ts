import fc from 'fast-check';
import { planRotations } from './rotation-plan.js';
import { id, World, perform } from '../testing/rotation-world.js';

const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ what: fc.constant('agent' as const), n: fc.nat(4) }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('look' as const), n: fc.constant(0) }) },
  fc.record({
    what: fc.constantFrom(
      'request' as const,
      'cut' as const,
      'die' as const,
      'back' as const,
      'forgets' as const,
      'restored' as const,
    ),
    n: fc.nat(4),
  }),
);

describe('changes of key in a network', () => {
  it('never let a node take up a key that somebody there does not hold, and settle when all are back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: 2, maxLength: 5 }),
        fc.array(action, { maxLength: 60 }),
        (hubs, actions) => {
          const world = new World(hubs);
          for (const one of actions) {
            perform(world, one);
            const turning = [...world.peers.values()].filter(
              (peer) => peer.keys.rotation?.phase === 'ordered' && !world.facts().isAbsent(peer),
            );
            // Who was away when another began may come back with an order of its own.
            if (!actions.some(({ what }) => what === 'die')) expect(turning.length).toBeLessThanOrEqual(1);
          }
          hubs.forEach((_, n) => perform(world, { what: 'back', n }));
          for (let round = 0; round < 8 * hubs.length; round++) {
            hubs.forEach((_, n) => world.agent(n));
            world.look();
          }
          for (const [n, peer] of [...world.peers.values()].entries()) {
            expect(peer.keys.rotation).toBeNull();
            expect(peer.publicKey).toBe(world.machines[n]!.used);
            for (const machine of world.machines) expect(machine.table.get(peer.peerId)).toContain(peer.publicKey);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('let one node at a time take its key up, in the order in which they were ready', () => {
    const world = new World([false, false, false]);
    for (const n of [2, 0]) perform(world, { what: 'request', n });
    for (let round = 0; round < 2; round++) for (const n of [0, 1, 2]) world.agent(n);
    world.look();
    const phases = () => [...world.peers.values()].map((peer) => peer.keys.rotation?.phase);
    expect(phases()).toEqual(['ordered', undefined, 'announced']);
    world.look();
    expect(phases()).toEqual(['ordered', undefined, 'announced']);
    for (let round = 0; round < 6; round++) {
      for (const n of [0, 1, 2]) world.agent(n);
      world.look();
    }
    expect([phases(), world.turns]).toEqual([
      [undefined, undefined, undefined],
      [id(0), id(2)],
    ]);
  });

  it('wait for a node whose control link is cut but which is heard on the overlay, and say so', () => {
    const world = new World([true, false, false]);
    world.machines[1]!.linked = false;
    perform(world, { what: 'request', n: 0 });
    world.agent(0);
    world.look();
    const plan = planRotations(world.network(), world.facts());
    expect(plan.steps).toEqual([]);
    expect(plan.waiting.get(id(0))!.map(({ peerId }) => peerId)).toEqual([id(1), id(2)]);
    world.agent(2);
    perform(world, { what: 'die', n: 1 });
    world.look();
    expect(world.peers.get(id(0))!.keys.rotation?.phase).toBe('ordered');
  });
});
