import { errorMessage, type Clock, type Log, failpoint } from '#kernel';
import { wgDiff, type DesiredWg } from '../wireguard/diff.js';
import type { WgChange, WgPeer, WgState, WireGuardDriver } from '../wireguard/driver.js';
import type { ComposedInterface, ComposedPeer } from './compose.js';
import { EndpointChooser } from './endpoints.js';
import type { HostNames } from './host-names.js';
import { DriftLook } from '../wireguard/drift-look.js';
import { linkDiff } from './link-diff.js';
import type { LinkOps } from './link-ops.js';

export interface InterfaceKeys {
  readonly privateKey: string;
  readonly publicKey: string;
}

interface Mark {
  readonly standing: Standing | undefined;
  readonly writes: number;
}
interface Look {
  readonly stands: boolean;
  readonly state: WgState | undefined;
}

/** Brings one overlay interface to its desired state: read, diff, one write, read back. Callers serialise calls but looks. */
export class InterfaceReconciler {
  private readonly endpoints: EndpointChooser;
  /** What was brought about last and read back, or written since. */
  private standing: Standing | undefined;
  /** Counts what was begun to be written. */
  private writes = 0;
  private readonly drift: DriftLook<ComposedPeer>;

  constructor(
    private readonly driver: WireGuardDriver,
    private readonly links: LinkOps,
    private readonly clock: Clock,
    private readonly log: Log,
    names: HostNames,
    /** What was not as it had been brought about, although nothing else is wanted: somebody else changed it. */
    private readonly drifted: (what: readonly string[]) => void = () => undefined,
    breathe: () => Promise<void> = async () => undefined,
  ) {
    this.endpoints = new EndpointChooser(names);
    this.drift = new DriftLook(breathe);
  }

  /** Everything: interface, peers, addresses, routes. Answers what could not be brought about. */
  async full(compose: () => ComposedInterface, keys: InterfaceKeys): Promise<string[]> {
    const desired = compose();
    this.endpoints.keepOnly(new Set(desired.peers.map(({ publicKey }) => publicKey)));
    const before = this.standing;
    const drift: string[] = [];
    const errors: string[] = [];
    const step = async (name: string, run: () => Promise<unknown>) => {
      try {
        await run();
      } catch (error) {
        errors.push(`${name}: ${errorMessage(error)}`);
      }
    };
    await step('interface', () => this.driver.ensure(desired.name));
    if (errors.length > 0) return errors;
    let state: WgState | undefined;
    await step('peers', async () => {
      const { after, change } = await this.writePeers(desired, keys);
      state = after;
      if (before !== undefined && isSame(before, desired) && isMore(change)) drift.push('peers');
    });
    await step('addresses', async () => {
      const wanted = compose();
      const ops = await this.addresses(compose);
      if (before !== undefined && ops > 0 && linkOf(wanted) === before.link) drift.push('addresses and routes');
    });
    if (desired.forwarding) await step('forwarding', () => this.links.enableForwarding());
    if (errors.length === 0 && state !== undefined) this.standing = standingOf(desired, state);
    if (drift.length > 0) this.drifted(drift);
    return errors;
  }

  /**
   * Writes what differs from what stands, when that is nothing but peers: one write, whatever the number of peers. False
   * when everything has to be looked at. Nothing is read back; the next look, within a second, does that.
   */
  async quick(desired: ComposedInterface, keys: InterfaceKeys): Promise<boolean> {
    const { standing } = this;
    if (standing === undefined || linkOf(desired) !== standing.link) return false;
    const changed = desired.peers.filter((peer) => standing.composed.get(peer.publicKey) !== peer);
    if (changed.length === 0 && desired.peers.length === standing.composed.size) return true;
    // A key that begins to carry prefixes has an endpoint that only WireGuard knows.
    if (changed.some((peer) => isIdle(standing.composed.get(peer.publicKey)) && !isIdle(peer))) return false;
    // So has one that had none to be given, and by now may have spoken first.
    if (changed.some((peer) => peer.endpoints.length > 0 && isUnplaced(standing.actual.get(peer.publicKey))))
      return false;
    const present = new Set(desired.peers.map((peer) => peer.publicKey));
    const gone = [...standing.composed.keys()].filter((key) => !present.has(key));
    const actual = [...changed.map((peer) => peer.publicKey), ...gone].flatMap((key) => standing.actual.get(key) ?? []);
    const state = { publicKey: keys.publicKey, listenPort: desired.listenPort, peers: actual };
    // What stands was read some time ago, and who answered where is not in it: nobody who is known is steered by that.
    const isNew = (publicKey: string) => !standing.actual.has(publicKey);
    const wanted = this.desiredWg({ ...desired, peers: changed }, keys, state, isNew);
    const change = wgDiff(wanted, state);
    this.begin();
    if (change !== undefined) await this.driver.write(desired.name, change);
    if (gone.length > 0) this.endpoints.keepOnly(present);
    for (const key of gone) {
      standing.composed.delete(key);
      standing.actual.delete(key);
    }
    for (const [n, peer] of changed.entries()) remember(standing, peer, wanted.peers[n]?.endpoint);
    this.standing = standing;
    return true;
  }

  /** What stands while nothing is being written: called in turn with what writes. */
  mark(): Mark {
    const { standing, writes } = this;
    return { standing, writes };
  }

  /**
   * Whether all is as it was brought about, looked at beside whatever else is going on: nothing urgent waits for it. What is
   * written meanwhile is looked at the next time.
   */
  async look(compose: () => ComposedInterface, keys: InterfaceKeys, mark: Mark): Promise<Look> {
    const { standing, writes } = mark;
    const desired = compose();
    const state = await this.driver.read(desired.name);
    if (state === undefined || standing === undefined || linkOf(desired) !== standing.link)
      return { stands: false, state };
    const stands = await this.compare(compose, keys, state);
    return { stands: stands || writes !== this.writes, state };
  }

  private async compare(compose: () => ComposedInterface, keys: InterfaceKeys, state: WgState): Promise<boolean> {
    const desired = compose();
    const [now, wall] = [this.clock.monotonicMs(), this.clock.wallMs()];
    const own = { publicKey: keys.publicKey, listenPort: desired.listenPort };
    const agrees = await this.drift.agrees(desired.peers, own, state, (peer, actual) =>
      this.endpoints.choose(peer.publicKey, peer.endpoints, actual, now, wall),
    );
    const device = this.driver.device(desired.name);
    const actual = agrees ? await this.links.read(device) : undefined;
    if (actual === undefined) return false;
    const unreachable = await this.links.unreachable();
    if (desired.forwarding) await this.links.enableForwarding();
    return linkDiff(compose(), device, this.driver.sharedDevice, actual, unreachable).length === 0;
  }

  /** Peers and their prefixes only. The answer is the state read back. */
  async peers(desired: ComposedInterface, keys: InterfaceKeys): Promise<WgState> {
    return (await this.writePeers(desired, keys)).after;
  }

  /** One write from a state that was read just now, when a peer is to be reached by its other key. */
  async turn(desired: ComposedInterface, keys: InterfaceKeys, state: WgState): Promise<void> {
    this.begin();
    const change = this.change(desired, keys, state);
    if (change !== undefined) await this.driver.write(desired.name, change);
  }

  private begin(): void {
    this.standing = undefined;
    this.writes++;
  }

  private change(desired: ComposedInterface, keys: InterfaceKeys, state: WgState): WgChange | undefined {
    const change = wgDiff(this.desiredWg(desired, keys, state), state);
    return change?.privateKey === undefined ? change : withHandshakes(change, desired.peers, state);
  }

  private async writePeers(
    desired: ComposedInterface,
    keys: InterfaceKeys,
  ): Promise<{ readonly after: WgState; readonly change: WgChange | undefined }> {
    this.begin();
    const before = await this.driver.read(desired.name);
    if (before === undefined) throw new Error(`${desired.name} does not exist`);
    const change = this.change(desired, keys, before);
    if (change === undefined) return { after: before, change };
    await failpoint('agent.peers_writing');
    await this.driver.write(desired.name, change);
    await failpoint('agent.peers_written');
    const after = await this.driver.read(desired.name);
    if (after === undefined) throw new Error(`${desired.name} vanished while it was written`);
    const rest = wgDiff(this.desiredWg(desired, keys, after), after);
    if (rest !== undefined && rest.peers.some((p) => p.remove || p.add !== undefined || p.replace))
      throw new Error(`${rest.peers.length} peers are not as written`);
    this.log.debug({ interface: desired.name, peers: change.peers.length }, 'peers written');
    return { after, change };
  }

  /** `compose` is asked again after the read, because a lease may have run out meanwhile. */
  async addresses(compose: () => ComposedInterface): Promise<number> {
    const device = this.driver.device(compose().name);
    const actual = await this.links.read(device);
    if (actual === undefined) throw new Error(`device ${device} does not exist`);
    const unreachable = await this.links.unreachable();
    const ops = linkDiff(compose(), device, this.driver.sharedDevice, actual, unreachable);
    if (ops.length > 0) this.writes++;
    await this.links.apply(ops);
    await failpoint('agent.addresses_written');
    return ops.length;
  }

  private desiredWg(
    desired: ComposedInterface,
    keys: InterfaceKeys,
    actual: WgState,
    steers: (publicKey: string) => boolean = () => true,
  ): DesiredWg {
    const byKey = new Map(actual.peers.map((peer) => [peer.publicKey, peer]));
    const now = this.clock.monotonicMs();
    const wall = this.clock.wallMs();
    return {
      ...keys,
      listenPort: desired.listenPort,
      peers: desired.peers.map((peer) => ({
        publicKey: peer.publicKey,
        allowedIps: peer.allowedIps,
        keepalive: peer.keepalive,
        endpoint: steers(peer.publicKey)
          ? this.endpoints.choose(peer.publicKey, peer.endpoints, byKey.get(peer.publicKey), now, wall)
          : undefined,
      })),
    };
  }
}

/** Another key of a peer that is not in use. */
const isUnplaced = (peer: WgPeer | undefined): boolean => peer !== undefined && peer.endpoint === undefined;
const isIdle = (peer: ComposedPeer | undefined): boolean => peer !== undefined && peer.allowedIps.length === 0;

/**
 * With another private key every session has to be made anew, by this node: nobody else knows the moment. Turning keepalives
 * off and on makes WireGuard send one at once, and so shake hands.
 */
const withHandshakes = (change: WgChange, wanted: readonly ComposedPeer[], { peers }: WgState): WgChange => {
  const known = new Set(peers.map((peer) => peer.publicKey));
  const kick = wanted.filter((peer) => peer.keepalive > 0 && known.has(peer.publicKey));
  const off = kick.map(({ publicKey }) => ({ publicKey, keepalive: 0 }));
  const on = kick.map(({ publicKey, keepalive }) => ({ publicKey, keepalive }));
  return { ...change, peers: [...change.peers, ...off, ...on] };
};

interface Standing {
  /** All but the peers, as text. */
  readonly link: string;
  readonly composed: Map<string, ComposedPeer>;
  readonly actual: Map<string, WgPeer>;
}

const linkOf = ({ peers: _, ...link }: ComposedInterface): string => JSON.stringify(link);

const standingOf = (desired: ComposedInterface, state: WgState): Standing => ({
  link: linkOf(desired),
  composed: new Map(desired.peers.map((peer) => [peer.publicKey, peer])),
  actual: new Map(state.peers.map((peer) => [peer.publicKey, peer])),
});

/** A prefix that one peer got, another has lost. */
const remember = (standing: Standing, peer: ComposedPeer, endpoint: string | undefined): void => {
  const { publicKey, allowedIps, keepalive } = peer;
  const known = standing.actual.get(publicKey) ?? { publicKey, endpoint, lastHandshakeMs: 0 };
  standing.composed.set(publicKey, peer);
  standing.actual.set(publicKey, { ...known, allowedIps, keepalive });
};

const isSame = (standing: Standing, desired: ComposedInterface): boolean =>
  desired.peers.length === standing.composed.size &&
  desired.peers.every((peer) => {
    const known = standing.composed.get(peer.publicKey);
    return known === peer || known?.allowedIps.join() === peer.allowedIps.join();
  });

/** More than an endpoint, which the agent itself changes while a peer does not answer. */
const isMore = (change: WgChange | undefined): boolean =>
  change !== undefined &&
  (change.privateKey !== undefined ||
    change.listenPort !== undefined ||
    change.peers.some((peer) => peer.remove === true || peer.replace === true || peer.add !== undefined));
