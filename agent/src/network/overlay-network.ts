import { errorMessage, failpoint, Serial, sleep } from '#kernel';
import { agentV1, type VipItem } from '#proto';
import type { KernelLease } from '../lease/kernel-lease.js';
import type { LeaseRunner } from '../lease/lease-runner.js';
import type { AgentPorts } from '../ports.js';
import type { WgState, WireGuardDriver } from '../wireguard/driver.js';
import { NodeKeys } from '../wireguard/node-keys.js';
import { canonicalAddress, canonicalCidr, canonicalPrefix, isV6 } from './cidr.js';
import { composeInterface, type ComposedInterface, type NetworkSection } from './compose.js';
import { LEASE_PORT } from '../lease/wire.js';
import { aboutOf, Firewall, hasLans } from './firewall.js';
import { HostNames } from './host-names.js';
import { InterfaceReconciler } from './interface-reconciler.js';
import { KeyTurns } from './key-turn.js';
import type { LinkOps } from './link-ops.js';

export interface NetworkDeps {
  readonly ports: AgentPorts;
  readonly driver: WireGuardDriver;
  readonly links: LinkOps;
  readonly leases: LeaseRunner;
  readonly fence: KernelLease;
  readonly keyPath: string;
  /** The VIP items of this network that count now. */
  vips(): readonly VipItem[];
  /** Somebody else had changed what the agent had brought about; it is as it should be again. */
  drifted(networkId: string, what: readonly string[]): void;
  /** The section and its VIPs as they count with what the nodes announce to each other. */
  learned?(section: NetworkSection): { readonly section: NetworkSection; readonly vips: readonly VipItem[] };
}

/** How long the first handshake of a peer's new key is watched for closely, how often, and how long that goes before all else. */
const WATCH_MS = 15_000;
const LOOK_MS = 10;
const HOLD_MS = 3_000;
/** What the tick has just read is what it reports. */
const SEEN_MS = 500;

/** One network on this node: its interface and the VIPs that live on it. */
export class OverlayNetwork {
  private readonly reconciler: InterfaceReconciler;
  private readonly firewall: Firewall;
  private readonly queue = new Serial();
  private readonly keys: NodeKeys;
  private readonly turns = new KeyTurns();
  private watchedFromMs: number | undefined;
  private seen: { readonly state: WgState; readonly atMs: number } | undefined;
  private errors: string[] = [];

  constructor(
    private readonly deps: NetworkDeps,
    public section: NetworkSection,
  ) {
    const { driver, links, ports } = deps;
    const drifted = (what: readonly string[]) => deps.drifted(section.networkId, what);
    const names = new HostNames(ports.names, ports.clock, ports.log);
    const breathe = () => sleep(ports.timers, 0);
    this.reconciler = new InterfaceReconciler(driver, links, ports.clock, ports.log, names, drifted, breathe);
    this.keys = new NodeKeys(ports.files, ports.random, deps.keyPath);
    this.firewall = new Firewall(ports, LEASE_PORT, () => drifted(['firewall']));
  }

  get self(): string {
    return this.section.iface?.peer_id ?? '';
  }

  /** This node's own IPv6 address in the network. */
  get ownAddress(): string | undefined {
    const found = this.section.iface?.addresses.find(isV6);
    return found === undefined ? undefined : canonicalAddress(found.split('/')[0]!);
  }

  async publicKey(): Promise<agentV1.PeerKey | undefined> {
    const { iface } = this.section;
    if (iface === undefined) return undefined;
    const { publicKey } = await this.keys.current();
    const told = { networkId: this.section.networkId, publicKey, listenPort: iface.listen_port };
    const next = await this.keys.upcoming();
    return next === undefined ? told : { ...told, nextPublicKey: next.publicKey, rotation: BigInt(next.rotation) };
  }

  /** Has a further key ready where the section asks for one; true when it is to be announced. */
  async prepareKey(): Promise<boolean> {
    const { iface } = this.section;
    if (iface === undefined) return false;
    const before = await this.keys.upcoming();
    if (iface.rotation === undefined) {
      await this.keys.drop();
      return false;
    }
    return (await this.keys.prepare(iface.rotation)) !== before;
  }

  /** Everybody holds the announced key: from now on this node has that one. */
  switchKey(publicKey: string): Promise<void> {
    return this.queue.run(async () => {
      const taken = await this.keys.takeUp(publicKey);
      const composed = this.compose();
      if (taken !== 'taken' || composed === undefined) return;
      const state = await this.deps.driver.read(composed.name);
      if (state !== undefined) await this.reconciler.turn(composed, await this.keys.current(), state);
      await failpoint('agent.key_written');
      this.deps.ports.log.info({ interface: composed.name }, 'another key is in use');
    });
  }

  /** A peer is about to take up another key: it is looked for every few milliseconds, before anything else. */
  watchKeys(): void {
    const wasWatching = this.watchedFromMs !== undefined;
    this.watchedFromMs = this.deps.ports.clock.monotonicMs();
    if (!wasWatching) void this.watch();
  }

  /** What can wait is to wait: a peer changes its key right now. */
  get isHurried(): boolean {
    return this.watchedFromMs !== undefined && this.deps.ports.clock.monotonicMs() - this.watchedFromMs < HOLD_MS;
  }

  private async watch(): Promise<void> {
    const { clock, timers, log } = this.deps.ports;
    while (this.watchedFromMs !== undefined && clock.monotonicMs() - this.watchedFromMs < WATCH_MS) {
      try {
        if (await this.queue.run(() => this.takeTurns())) break;
      } catch (error) {
        log.warn({ network: this.section.networkId, error: errorMessage(error) }, 'cannot look for a new key');
      }
      await sleep(timers, LOOK_MS);
    }
    this.watchedFromMs = undefined;
  }

  /** Peers that have shaken hands with their other key are reached by that one; true when one began to. */
  private async takeTurns(): Promise<boolean> {
    const { iface, peers } = this.section;
    if (iface === undefined || !peers.some((peer) => peer.next_public_key !== undefined)) return false;
    const state = await this.deps.driver.read(iface.name);
    if (state === undefined || !this.turns.look(peers, state)) return false;
    await this.reconciler.turn(this.compose()!, await this.keys.current(), state);
    return true;
  }

  /** Brings everything about; answers why the node has not converged. */
  reconcile(): Promise<string[]> {
    return this.queue.run(() => this.everything());
  }

  /** Whether all is as it was brought about; `closely`, with the firewall. Beside the queue: what is urgent does not wait for a look. */
  async stands(closely: boolean): Promise<boolean> {
    const { section, errors } = this;
    const composed = this.compose();
    if (composed === undefined || errors.length > 0 || !this.firewall.stands(section)) return false;
    // Whose key is about to change is looked after at every turn.
    if (section.peers.some((peer) => peer.next_public_key !== undefined)) return false;
    const keys = await this.keys.current();
    const mark = await this.queue.run(async () => this.reconciler.mark());
    const { stands, state } = await this.reconciler.look(() => this.compose() ?? composed, keys, mark);
    this.seen = state === undefined ? undefined : { state, atMs: this.deps.ports.clock.monotonicMs() };
    return stands && (await this.firewall.isUntouched(closely));
  }

  /** After a change of the section: only what changed where that can be told, else everything. */
  changed(): Promise<string[]> {
    return this.queue.run(async () => {
      const composed = this.compose();
      if (composed === undefined) return [...this.section.errors];
      if (this.errors.length > 0 || !this.firewall.stands(this.section)) return this.everything();
      return (await this.quickly(composed)) ? [...this.section.errors] : this.everything();
    });
  }

  /** The holder's address goes on at once; the rest of the interface follows. */
  async hold(vip: VipItem): Promise<void> {
    const device = this.device();
    await this.deps.links.apply([{ op: 'address-add', device, address: canonicalCidr(vip.address), vip: true }]);
    if (this.deps.leases.holds(vip)) return;
    // The lease ran out while the address went on.
    await this.release(vip);
    throw new Error('the lease ran out again before the address was on');
  }

  async release(vip: VipItem): Promise<void> {
    await this.deps.links.apply([{ op: 'address-del', device: this.device(), address: canonicalCidr(vip.address) }]);
  }

  /** Makes the VIP's packets take their new way: one write, then open connections are reset so that they notice. */
  route(vip: VipItem): Promise<void> {
    return this.queue.run(async () => {
      const composed = this.compose();
      if (composed === undefined) throw new Error('the interface is not known yet');
      const prefix = canonicalPrefix(vip.address);
      if (vip.holder_peer_id === null) {
        await this.deps.links.apply([{ op: 'unreachable-add', prefix }]);
        return;
      }
      const state = await this.reconciler.peers(composed, await this.keys.current());
      const peer = composed.peers.find((p) => p.peerId === vip.route_peer_id);
      if (vip.role !== 'holder' && vip.route_peer_id !== null) {
        const written = state.peers.find((p) => p.publicKey === peer?.publicKey)?.allowedIps.includes(prefix);
        if (written !== true) throw new Error(`peer ${vip.route_peer_id} is not known here yet`);
      }
      if ((await this.deps.links.unreachable()).has(prefix))
        await this.deps.links.apply([{ op: 'unreachable-del', prefix }]);
    });
  }

  async resetConnections(which: 'src' | 'dst', vip: VipItem): Promise<void> {
    await this.deps.links.killSockets(which, canonicalAddress(vip.address));
  }

  async observed(): Promise<agentV1.Observed | undefined> {
    const { iface, networkId } = this.section;
    const { seen, deps } = this;
    const isFresh = seen !== undefined && deps.ports.clock.monotonicMs() - seen.atMs < SEEN_MS;
    const state = isFresh ? seen.state : iface === undefined ? undefined : await deps.driver.read(iface.name);
    if (state === undefined) return undefined;
    const peers = state.peers.map((p) => ({
      publicKey: p.publicKey,
      endpoint: p.endpoint ?? '',
      lastHandshakeMs: BigInt(p.lastHandshakeMs),
    }));
    return { networkId, peers, routing: undefined };
  }

  async tearDown(): Promise<void> {
    const { iface } = this.section;
    this.watchedFromMs = undefined;
    if (iface === undefined) return;
    try {
      await this.queue.run(() => this.deps.driver.remove(iface.name));
      await this.firewall.remove(iface.name);
    } catch (error) {
      this.deps.ports.log.error({ interface: iface.name, error: errorMessage(error) }, 'cannot remove the interface');
    }
  }

  private async applyFirewall(): Promise<string[]> {
    const { iface, firewall } = this.section;
    if (iface === undefined) return [];
    if (this.deps.driver.sharedDevice)
      return firewall?.length === 0 && !hasLans(iface.lan)
        ? []
        : ['firewall: not enforced on a node without WireGuard'];
    // A rule left out could be the one that drops.
    if (firewall === undefined) return ['firewall: a rule cannot be understood, so none of the new ones is taken'];
    try {
      await this.firewall.apply(iface.name, firewall, aboutOf(this.section));
      return [];
    } catch (error) {
      return [`firewall: ${errorMessage(error)}`];
    }
  }

  /** A write that fails (wireguard-go just died) is followed by a look at everything. */
  private async quickly(composed: ComposedInterface): Promise<boolean> {
    try {
      return await this.reconciler.quick(composed, await this.keys.current());
    } catch (error) {
      this.deps.ports.log.warn({ interface: composed.name, error: errorMessage(error) }, 'a quick change failed');
      return false;
    }
  }

  private async everything(): Promise<string[]> {
    if (this.compose() === undefined) return [...this.section.errors];
    await this.takeTurns();
    // First: an interface must not be up before its rules are.
    const errors = await this.applyFirewall();
    if (errors.length === 0 || this.firewall.isWritten || this.deps.driver.sharedDevice)
      errors.push(...(await this.reconciler.full(() => this.guarded(), await this.keys.current())));
    if (errors.join() !== this.errors.join() && errors.length > 0)
      this.deps.ports.log.warn({ network: this.section.networkId, errors }, 'network has not converged');
    this.errors = errors;
    return [...this.section.errors, ...errors];
  }

  private device(): string {
    if (this.section.iface === undefined) throw new Error('the interface is not known yet');
    return this.deps.driver.device(this.section.iface.name);
  }

  /** A node does not begin to forward to LANs before the rules stand that say what. */
  private guarded(): ComposedInterface {
    const composed = this.compose()!;
    const { lan } = this.section.iface!;
    if (!hasLans(lan) || this.firewall.guards(lan) || this.deps.driver.sharedDevice) return composed;
    return { ...composed, forwarding: false };
  }

  private compose(): ComposedInterface | undefined {
    const { leases } = this.deps;
    const learned = this.deps.learned?.(this.section) ?? { section: this.section, vips: this.deps.vips() };
    return composeInterface(
      learned.section,
      learned.vips,
      (vip) => leases.holds(vip),
      (vip) => vip.role !== 'holder' && vip.release_after_move && (vip.lease === null || leases.lingers(vip)),
      (peer) => this.turns.of(peer),
    );
  }
}
