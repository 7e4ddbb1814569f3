import type { DomainEvent } from '#kernel';
import { decideRotation, evolveKeys, nextKeyOf, switchedTo, type RotationCommand } from '../peer/key-rotation.js';
import { PeerKeyAnnounced } from '../peer/events.js';
import { net, uuid } from './drive.js';
import type { NetworkView, PeerView } from '../wireguard-compiler/model.js';
import { holdersOf, planRotations, type RotationFacts } from '../wireguard-compiler/rotation-plan.js';

export const id = (n: number) => `sdwan_peer-${uuid(n)}` as const;
const ids = (n: number) => ({ peer_id: id(n), network_id: net(1) as `sdwan_network-${string}` });
const more = { links: {} };
export const PATIENCE_MS = 3_600_000;
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
export class World {
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

export const perform = (world: World, { what, n }: { what: string; n: number }): void => {
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
