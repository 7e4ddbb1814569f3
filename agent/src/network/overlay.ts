import { join } from 'node:path';
import { errorMessage, type Cancel } from '#kernel';
import { agentV1, type VipItem } from '#proto';
import type { KernelLease } from '../lease/kernel-lease.js';
import type { LeaseRules } from '../lease/lease.js';
import { LeaseRunner, type LeaseHooks } from '../lease/lease-runner.js';
import { Frr, type FrrOptions } from '../frr/frr.js';
import type { AgentPorts } from '../ports.js';
import { VipActor } from '../vip/vip-actor.js';
import { isOnlooker, lookAt } from '../vip/witness.js';
import type { WireGuardDriver } from '../wireguard/driver.js';
import { NETWORK_PREFIX, parseNetworkSection, type NetworkSection } from './compose.js';
import type { LinkOps } from './link-ops.js';
import { Observations } from './observations.js';
import { OverlayNetwork } from './overlay-network.js';

/** How often what stands is looked at. To look and to repair is part of the second that a candidate for a VIP has for it. */
const DRIFT_MS = 1_000;
const STANDBY_DRIFT_MS = 800;

export interface OverlayOptions {
  readonly ports: AgentPorts;
  readonly driver: WireGuardDriver;
  readonly links: LinkOps;
  readonly fence: KernelLease;
  readonly stateDir: string;
  send(message: agentV1.SyncRequest): void;
  /** A section is to be said again, as it is now. */
  askAnew?(section: string): void;
  readonly leaseRules?: LeaseRules;
  /** What the routing daemons of ibgp networks need; without it they go on as meshes. */
  readonly frr?: Pick<FrrOptions, 'services' | 'vty'> | undefined;
}

/** All networks of this node, with their VIPs and leases. */
export class Overlay {
  readonly vips: VipActor;
  private readonly networks = new Map<string, OverlayNetwork>();
  private readonly leases: LeaseRunner;
  private readonly frr: Frr | undefined;
  private readonly observations: Observations;
  private cancelTick: Cancel | undefined;
  private ticking = false;

  constructor(private readonly options: OverlayOptions) {
    const { ports, stateDir, fence } = options;
    const hooks: LeaseHooks = {
      hold: (vipId, epoch, forMs) => this.vips.leaseHeld(vipId, epoch, forMs),
      extend: (vipId, _epoch, forMs) => this.vips.leaseExtended(vipId, forMs),
      drop: (vipId, epoch, reason) => this.vips.leaseLost(vipId, epoch, reason),
      platformBeat: (vipId, epoch, seq) =>
        options.send({ message: { $case: 'leaseBeat', value: { vipId, epoch: BigInt(epoch), seq: BigInt(seq) } } }),
      handover: (vipId, message, from) => this.vips.hearHandover(vipId, message, from),
      promise: (vipId, p) =>
        options.send({
          message: {
            $case: 'votePromise',
            value: {
              vipId,
              epoch: BigInt(p.epoch),
              granted: p.granted,
              outstandingMs: p.outstandingMs,
              holderHeardMsAgo: BigInt(p.holderHeardMsAgo),
              promisedEpoch: BigInt(p.promisedEpoch),
              question: p.question,
            },
          },
        }),
    };
    this.leases = new LeaseRunner(ports, join(stateDir, 'promises.json'), hooks, options.leaseRules);
    this.vips = new VipActor({
      ports,
      leases: this.leases,
      fence,
      path: join(stateDir, 'vips.json'),
      network: (id) => this.networks.get(id),
      send: (message) => options.send(message),
    });
    const held = (id: string) => this.vips.ofNetwork(id).filter((vip) => this.leases.holds(vip));
    this.frr =
      options.frr &&
      new Frr({ ports, stateDir, ...options.frr }, { held, learned: (id, moved) => this.learned(id, moved) });
    this.observations = new Observations(
      (message) => options.send(message),
      ports.log,
      (id) => this.frr?.report(id),
    );
    options.driver.onLost((name) => this.lost(name));
  }

  async start(): Promise<void> {
    await this.leases.load();
    await this.vips.load();
    this.armTick();
    this.frr?.start();
  }

  stop(): void {
    this.cancelTick?.();
    this.frr?.stop();
    this.vips.close();
    this.leases.close();
    this.options.fence.close();
  }

  /** A network section is new or has changed; answers why the node has not converged on it. */
  async apply(
    name: string,
    items: ReadonlyMap<string, Uint8Array>,
    storeEpoch: string,
    generation: bigint,
  ): Promise<string[]> {
    const section = parseNetworkSection(name, items);
    const { networkId } = section;
    const known = this.networks.get(networkId);
    if (known?.section.iface !== undefined && known.section.iface.name !== section.iface?.name) await known.tearDown();
    const network = known ?? this.makeNetwork(networkId, name);
    const isNew = known?.section.iface === undefined;
    network.section = section;
    this.networks.set(networkId, network);
    const problems = await this.haveKeys(network, isNew);
    const before = this.vips.offerSection(networkId, section.vips, { storeEpoch, generation });
    const errors = await network.changed();
    await this.vips.settle(networkId, before);
    this.frr?.apply(section, storeEpoch);
    return [...problems, ...errors];
  }

  async remove(name: string): Promise<void> {
    const networkId = name.slice(NETWORK_PREFIX.length);
    const network = this.networks.get(networkId);
    this.networks.delete(networkId);
    this.vips.forgetNetwork(networkId);
    await this.frr?.remove(networkId);
    await network?.tearDown();
  }

  /** Looks at everything now and repairs what is not as it should be. */
  async repairAll(): Promise<void> {
    for (const network of this.networks.values()) await this.repair(network);
  }

  /** Tears down every interface: the instance was forgotten. */
  async wipe(): Promise<void> {
    for (const networkId of [...this.networks.keys()]) await this.remove(`${NETWORK_PREFIX}${networkId}`);
  }

  /** A peer is about to take up another key. */
  keyAnnounced({ networkId }: agentV1.KeyAnnounce): void {
    this.networks.get(networkId)?.watchKeys();
  }

  /** This node is to take up the key that it has announced; whatever comes of it, the platform hears which one is in use. */
  async switchKey({ networkId, publicKey }: agentV1.KeySwitch): Promise<void> {
    const network = this.networks.get(networkId);
    if (network === undefined || publicKey === undefined) return;
    try {
      await network.switchKey(publicKey);
    } catch (error) {
      this.options.ports.log.error({ network: networkId, error: errorMessage(error) }, 'the new key is not in use yet');
    }
    await this.announceKey(network);
  }

  voteRequest(message: agentV1.VoteRequest): void {
    const vip = this.vips.item(message.vipId);
    if (isOnlooker(vip)) {
      void lookAt(this.options.ports.datagrams, vip, message).then((value) =>
        this.options.send({ message: { $case: 'votePromise', value } }),
      );
      return;
    }
    this.leases.voteRequest(message.vipId, Number(message.epoch), message.question);
  }

  leaseConfirm(message: agentV1.LeaseConfirm): void {
    this.leases.platformConfirm(message.vipId, Number(message.epoch), Number(message.seq));
  }

  /** After the stream is up: what the platform may have missed. */
  async connected(): Promise<void> {
    this.observations.forget();
    for (const network of this.networks.values()) await this.announceKey(network);
    this.vips.repeatAcks();
  }

  interfaceNames(): ReadonlySet<string> {
    return new Set(
      [...this.networks.values()].flatMap((n) => (n.section.iface === undefined ? [] : [n.section.iface.name])),
    );
  }

  private makeNetwork(networkId: string, name: string): OverlayNetwork {
    const { ports, driver, links, fence, stateDir } = this.options;
    const keyPath = join(stateDir, 'wireguard', `${networkId}.key`);
    const vips = (): readonly VipItem[] => this.vips.ofNetwork(networkId);
    const empty = parseNetworkSection(name, new Map());
    const drifted = (id: string, what: readonly string[]): void => {
      ports.log.warn({ network: id, what }, 'somebody changed the network of this node; repaired');
      this.options.send({ message: { $case: 'driftRepaired', value: { networkId: id, what: [...what] } } });
    };
    const learned = (section: NetworkSection) => ({
      section: this.frr?.section(section) ?? section,
      vips: this.frr?.vips(section, vips(), (vip) => this.leases.holds(vip)) ?? vips(),
    });
    const deps = { ports, driver, links, fence, leases: this.leases, keyPath, vips, drifted, learned };
    return new OverlayNetwork(deps, empty);
  }

  /** The next key is made and announced where the section asks for one. Without it the rest is applied all the same. */
  private async haveKeys(network: OverlayNetwork, isNew: boolean): Promise<string[]> {
    let problem: string | undefined;
    let isNews = isNew;
    try {
      isNews = (await network.prepareKey()) || isNew;
    } catch (error) {
      problem = `next key: ${errorMessage(error)}`;
    }
    if (isNews) await this.announceKey(network);
    return problem === undefined ? [] : [problem];
  }

  private async announceKey(network: OverlayNetwork): Promise<void> {
    const key = await network.publicKey();
    if (key !== undefined) this.options.send({ message: { $case: 'peerKey', value: key } });
  }

  /** Peers were heard of, or are not any more: their prefixes follow, and connections to what moved are reset. */
  private async learned(networkId: string, moved: readonly string[]): Promise<void> {
    const network = this.networks.get(networkId);
    if (network === undefined) return;
    await network.changed();
    for (const vip of this.vips.ofNetwork(networkId))
      if (moved.includes(vip.vip_id) && !this.leases.holds(vip)) await network.resetConnections('dst', vip);
  }

  private lost(name: string): void {
    this.options.ports.log.warn({ interface: name }, 'interface lost, bringing it back');
    for (const network of this.networks.values()) if (network.section.iface?.name === name) void this.repair(network);
  }

  private armTick(): void {
    const standby = [...this.networks.values()].some((network) => this.isStandby(network));
    const everyMs = standby ? STANDBY_DRIFT_MS : DRIFT_MS;
    this.cancelTick = this.options.ports.timers.after(everyMs, () => {
      this.armTick();
      void this.tick(everyMs);
    });
  }

  /** It may hold a VIP of the network. */
  private isStandby({ section }: OverlayNetwork): boolean {
    return this.vips.ofNetwork(section.networkId).some((vip) => vip.role !== 'member');
  }

  private async tick(everyMs: number): Promise<void> {
    if (this.ticking) return;
    this.ticking = true;
    try {
      for (const id of this.vips.overdue()) this.options.askAnew?.(`${NETWORK_PREFIX}${id}`);
      for (const network of this.networks.values()) {
        if (network.isHurried) continue;
        await this.tend(network);
        await this.observations.look(network);
      }
      this.observations.looked(everyMs);
    } finally {
      this.ticking = false;
    }
  }

  private async tend(network: OverlayNetwork): Promise<void> {
    try {
      if (!(await network.stands(this.isStandby(network)))) return await this.repair(network);
      await this.vips.settle(network.section.networkId, new Map());
    } catch (error) {
      this.options.ports.log.error({ error: errorMessage(error) }, 'cannot look at a network');
    }
  }

  private async repair(network: OverlayNetwork): Promise<void> {
    try {
      await network.reconcile();
      await this.vips.settle(network.section.networkId, new Map());
    } catch (error) {
      this.options.ports.log.error({ error: errorMessage(error) }, 'cannot reconcile a network');
    }
  }
}
