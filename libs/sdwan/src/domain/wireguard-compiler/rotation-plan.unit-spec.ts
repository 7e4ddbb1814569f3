import fc from 'fast-check';
import type { DomainEvent } from '#kernel';
import { decideRotation, evolveKeys, nextKeyOf, switchedTo, type RotationCommand } from '../peer/key-rotation.js';
import { PeerKeyAnnounced } from '../peer/events.js';
import { net, uuid } from '../testing/drive.js';
import type { NetworkView, PeerView } from './model.js';
import {
  AGE_PATIENCE_MS,
  holdersOf,
  planRotations,
  SPACING_MS,
  STUCK_MS,
  type RotationFacts,
} from './rotation-plan.js';

const id = (n: number) => `sdwan_peer-${uuid(n)}` as const;
const ids = (n: number) => ({ peer_id: id(n), network_id: net(1) as `sdwan_network-${string}` });
const more = { links: {} };
const PATIENCE_MS = 3_600_000;
let serial = 0;
const freshKey = () => Buffer.alloc(32, 0).fill(String(++serial)).toString('base64');

const peerView = (n: number, hub: boolean): PeerView => ({
  peerId: id(n),
  instanceId: `instance-${n}`,
  kind: 'node',
  name: `p${n}`,
  addressV6: `fd00:1::1:${n.toString(16)}`,
  addressV4: `100.64.16.${16 + n}`,
  publiclyReachable: hub,
  endpointHost: null,
  endpointPort: null,
  listenPort: 51820,
  publicKey: freshKey(),
  keys: { rotation: null, rotations: 0, at: 0n, atMs: 0, sinceMs: 0 },
  underlay: [],
  podCidrs: [],
  lanSubnets: [],
  lanMasquerade: false,
  tags: [],
  silent: false,
});

interface Machine {
  /** The key that its WireGuard has, and the one that it has ready. */
  used: string;
  next: { readonly key: string; readonly rotation: number } | undefined;
  /** Its stream to the platform stands. */
  linked: boolean;
  /** Nothing is heard of it on the overlay either. */
  dead: boolean;
  /** Up to where it has applied the network, and what its tables say of each peer's keys. */
  applied: bigint;
  table: ReadonlyMap<string, readonly (string | null)[]>;
}

/** A platform and its nodes, one step at a time. The platform keeps nothing but the log: each step may be a restart. */
class World {
  readonly peers = new Map<string, PeerView>();
  readonly machines: Machine[] = [];
  position = 1n;
  readonly turns: string[] = [];

  constructor(hubs: readonly boolean[]) {
    hubs.forEach((hub, n) => this.peers.set(id(n), peerView(n, hub)));
    hubs.forEach((_, n) => {
      const used = this.peers.get(id(n))!.publicKey!;
      this.machines.push({ used, next: undefined, linked: true, dead: false, applied: 1n, table: this.tables() });
    });
  }

  network(): NetworkView {
    return {
      networkId: net(1),
      name: 'n',
      handle: 'abcdef',
      cidr64: 'fd00:1::/64',
      cidrV4: '100.64.16.0/20',
      routingMode: null,
      podSubnetPrefix: null,
      peers: this.peers,
      virtualIps: new Map(),
      firewall: new Map(),
    };
  }

  facts(): RotationFacts {
    const of = (peer: PeerView) => this.machines[[...this.peers.keys()].indexOf(peer.peerId)]!;
    return {
      nowMs: 0,
      maxAgeMs: null,
      patienceMs: PATIENCE_MS,
      hearsSinceMs: 0,
      isConnected: (peer) => of(peer).linked,
      isAbsent: (peer) => !of(peer).linked && of(peer).dead,
      applied: (peer) => of(peer).applied,
    };
  }

  command(n: number, command: RotationCommand): void {
    const peer = this.peers.get(id(n))!;
    const keys = { publicKey: peer.publicKey, ...peer.keys };
    const decision = decideRotation(command, keys, 'node', ids(n), more);
    if (decision.kind === 'accept') for (const event of decision.events) this.fold(n, event);
  }

  fold(n: number, event: DomainEvent): void {
    const peer = this.peers.get(id(n))!;
    const keys = evolveKeys({ publicKey: peer.publicKey, ...peer.keys }, event);
    this.position++;
    this.peers.set(id(n), {
      ...peer,
      publicKey: keys.publicKey,
      keys: { rotation: keys.rotation, rotations: keys.rotations, at: this.position, atMs: 0, sinceMs: 0 },
    });
  }

  /** One look of the platform. */
  look(): void {
    for (const step of planRotations(this.network(), this.facts()).steps) {
      const n = [...this.peers.keys()].indexOf(step.peerId);
      const { publicKey } = step as { publicKey: string };
      if (step.kind === 'order')
        this.command(n, { kind: 'order_switch', publicKey, heldBy: step.heldBy, absent: step.absent as [] });
      else if (step.kind === 'retire') this.command(n, { kind: 'retire_key', publicKey });
      else if (step.kind === 'tell') this.takeUp(n, publicKey);
    }
  }

  private takeUp(n: number, key: string): void {
    const machine = this.machines[n]!;
    if (!machine.linked || machine.next?.key !== key) return;
    // What all of this is for: whoever it talks to knows the key by now.
    for (const holder of holdersOf(this.network(), this.peers.get(id(n))!)) {
      const other = this.machines[[...this.peers.keys()].indexOf(holder.peerId)]!;
      if (other.linked || !other.dead) expect(other.table.get(id(n))).toContain(key);
    }
    this.turns.push(id(n));
    machine.used = key;
    machine.next = undefined;
  }

  /** The node hears the platform and tells it about its keys. */
  agent(n: number): void {
    const machine = this.machines[n]!;
    if (!machine.linked) return;
    machine.applied = this.position;
    machine.table = this.tables();
    const { rotation, rotations } = this.peers.get(id(n))!.keys;
    const wanted = rotation !== null && rotation.phase !== 'switched' ? rotation.number : undefined;
    if (wanted === undefined) machine.next = undefined;
    else if (machine.next?.rotation !== wanted) machine.next = { key: freshKey(), rotation: wanted };
    const { publicKey } = this.peers.get(id(n))!;
    if (machine.used !== publicKey) {
      const switched = switchedTo(machine.used, { publicKey, rotation, rotations }, ids(n), more);
      if (switched?.kind === 'accept') for (const event of switched.events) this.fold(n, event);
      else this.fold(n, PeerKeyAnnounced({ ...ids(n), public_key: machine.used, listen_port: 51820 }, more));
    }
    if (machine.next !== undefined)
      this.command(n, { kind: 'announce_next_key', rotation: machine.next.rotation, publicKey: machine.next.key });
  }

  private tables(): ReadonlyMap<string, readonly (string | null)[]> {
    return new Map(
      [...this.peers.values()].map((peer) => [peer.peerId, [peer.publicKey, nextKeyOf(peer.keys.rotation)]]),
    );
  }
}

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

const perform = (world: World, { what, n }: { what: string; n: number }): void => {
  const machine = world.machines[n];
  if (machine === undefined) return;
  if (what === 'agent') world.agent(n);
  if (what === 'look') world.look();
  if (what === 'request') world.command(n, { kind: 'request_rotation', reason: 'operator' });
  if (what === 'cut') machine.linked = false;
  if (what === 'die') [machine.linked, machine.dead] = [false, true];
  // Its first message brings it up to date: the platform answers Hello with a snapshot.
  if (what === 'back') [machine.linked, machine.dead] = [true, false];
  if (what === 'back') world.agent(n);
  // A reinstalled agent, and one whose next key is gone.
  if (what === 'forgets') [machine.used, machine.next] = [freshKey(), undefined];
  if (what === 'restored') machine.next = undefined;
};

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
