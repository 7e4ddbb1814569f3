import { silentLog, type Random } from '#kernel';
import { agentV1 } from '#proto';
import { Agent } from '../../agent/src/agent.js';
import { IdentityStore, type Identity } from '../../agent/src/identity/identity-store.js';
import type { Docker } from '../../agent/src/docker/docker.js';
import type { Modules } from '../../agent/src/k3s/modules.js';
import type { KernelLease } from '../../agent/src/lease/kernel-lease.js';
import { NftLease } from '../../agent/src/lease/nft-lease.js';
import type { LinkOps } from '../../agent/src/network/link-ops.js';
import { MemoryLinkOps } from '../../agent/src/network/memory-link-ops.js';
import { Overlay } from '../../agent/src/network/overlay.js';
import type { SyncHandlers, SyncStream } from '../../agent/src/ports.js';
import type { WgState, WireGuardDriver } from '../../agent/src/wireguard/driver.js';
import { MemoryWireGuardDriver } from '../../agent/src/wireguard/memory-driver.js';
import { leaseRules, takenFirst, type Mutant } from './mutants.js';
import { Zone, type SimClock } from './sim-clock.js';
import type { SimNetwork } from './sim-network.js';
import { SimNft } from './sim-nft.js';
import { portsFor, STATE } from './sim-ports.js';

export interface MachineDeps {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly random: Random;
  readonly mutant: Mutant | undefined;
  readonly identity: Identity;
  diskMs(): number;
  /** What a line of nft takes at most, and how often nft dies after one. */
  nftMs(): number;
  nftDeaths(): number;
  connect(machine: SimMachine, zone: Zone, handlers: SyncHandlers): SyncStream;
  wrote(machine: SimMachine): void;
}

interface Life {
  readonly zone: Zone;
  readonly agent: Agent;
  overlay: Overlay | undefined;
}

/** What outlives the agent: disk, interface, addresses and the kernel's leases; and the agent that runs on it now. */
export class SimMachine {
  readonly files = new Map<string, Buffer>();
  readonly wall = { offset: 0 };
  readonly links = new MemoryLinkOps();
  readonly driver = new MemoryWireGuardDriver();
  readonly nft: SimNft;
  wg: WgState | undefined;
  /** Of the lease that the kernel holds. */
  heldEpoch = 0;
  ackedEpoch = 0;
  /** The highest epoch at which it has answered for the VIP. */
  answeredEpoch = 0;
  /** The agent that runs now has known the VIP. */
  hasKnown = false;
  /** Without an interruption; Infinity while it does not. */
  answersSince = Infinity;
  /** Since its last write that ended with a way to the VIP it was told to have none: it was the holder, or nobody was. */
  hadNone = false;
  private life: Life | undefined;

  constructor(
    readonly instanceId: string,
    readonly peerId: string,
    readonly address: string,
    private readonly index: number,
    private readonly deps: MachineDeps,
  ) {
    const { clock, random, mutant } = deps;
    const careless = mutant === 'token_not_checked';
    this.nft = new SimNft({ clock, random, careless, lineMs: () => deps.nftMs(), deaths: () => deps.nftDeaths() });
  }

  get up(): boolean {
    return this.life !== undefined;
  }

  get pausedUntil(): number {
    return this.life?.zone.pausedUntil ?? 0;
  }

  /** The VIP as the running agent knows it. */
  vips() {
    return this.life?.overlay?.vips.ofNetwork(this.networkId) ?? [];
  }

  networkId = '';

  /** Whether a packet to the address would be answered here, whatever the agent is doing. */
  answers(address: string): boolean {
    const on = this.wg !== undefined && this.links.addresses(this.device).includes(`${address}/128`);
    return on && this.nft.passes(address);
  }

  device = '';

  /** The highest epoch that a new life of the agent here would know that it has promised. */
  promisedOnDisk(vipId: string): number {
    const bytes = this.files.get(`${STATE}/promises.json`);
    const stored =
      bytes === undefined ? {} : (JSON.parse(bytes.toString('utf8')) as Record<string, { promised: number }>);
    return stored[vipId]?.promised ?? 0;
  }

  start(): void {
    if (this.life !== undefined) return;
    const { deps } = this;
    const zone = new Zone(deps.clock, this.index * 1e7 + Math.floor(deps.random.unit() * 1e6), this.wall);
    const ports = portsFor(
      { ...deps, instanceId: this.instanceId, files: this.files, connect: (h) => deps.connect(this, zone, h) },
      zone,
    );
    this.hasKnown = false;
    let overlay: Overlay | undefined;
    const agent = new Agent(
      {
        ports,
        store: new IdentityStore(ports.files, STATE),
        capabilities: {},
        overlay: (send) =>
          (overlay = new Overlay({
            ports,
            driver: this.driverFor(zone),
            links: this.linksFor(zone),
            fence: this.fenceFor(zone),
            stateDir: STATE,
            send,
            leaseRules: leaseRules(deps.mutant),
          })),
        // No runtimes here.
        docker: () =>
          ({ start: async () => undefined, apply: () => [], connected: () => undefined }) as unknown as Docker,
        modules: () =>
          ({
            start: async () => undefined,
            stop: async () => undefined,
            connected: () => undefined,
            apply: () => [],
          }) as unknown as Modules,
      },
      deps.identity,
    );
    this.life = { zone, agent, overlay };
    void agent.start();
  }

  /** kill -9. */
  kill(): void {
    if (this.life === undefined) return;
    this.life.zone.alive = false;
    this.life = undefined;
  }

  pause(forMs: number): void {
    if (this.life !== undefined)
      this.life.zone.pausedUntil = Math.max(this.life.zone.pausedUntil, this.deps.clock.now + forMs);
  }

  observe(): void {
    const now = this.vips()[0];
    if (now?.role === 'holder' || now?.holder_peer_id === null) this.hadNone = true;
  }

  heard(message: agentV1.SyncRequest): void {
    if (message.message?.$case !== 'vipAck') return;
    const { epoch, role, error } = message.message.value;
    const { VipAck_Role: Role } = agentV1;
    const words = [Role.ROLE_PREPARED, Role.ROLE_ANSWERING, Role.ROLE_UNSPECIFIED];
    if (error !== '' || words.includes(role)) return;
    this.ackedEpoch = Math.max(this.ackedEpoch, Number(epoch));
  }

  private driverFor(zone: Zone): WireGuardDriver {
    const { driver, deps } = this;
    const write = async (name: string, change: Parameters<WireGuardDriver['write']>[1]): Promise<void> => {
      if (!zone.alive) return;
      await driver.write(name, change);
      this.device = name;
      this.wg = await driver.read(name);
      deps.wrote(this);
    };
    return {
      kind: 'memory',
      sharedDevice: false,
      device: (name) => name,
      ensure: (name) => driver.ensure(name),
      read: (name) => driver.read(name),
      remove: (name) => driver.remove(name),
      onLost: (listener) => driver.onLost(listener),
      write: async (name, change) => {
        await zone.sleep(deps.random.unit() ** 2 * 6);
        if (deps.mutant === 'removed_before_added') {
          await write(name, await takenFirst(driver, name, change));
          await zone.sleep(1);
        }
        await write(name, change);
      },
    };
  }

  /** `ip` is a process, and takes as long. */
  private linksFor(zone: Zone): LinkOps {
    const { links, deps, driver } = this;
    return {
      read: (device) => links.read(device),
      unreachable: () => links.unreachable(),
      apply: async (ops) => {
        if (ops.length === 0) return;
        await zone.sleep(1 + deps.random.unit() ** 2 * 10);
        for (const op of ops)
          if (op.op === 'address-add' && (await driver.read(op.device)) === undefined)
            throw new Error(`Cannot find device "${op.device}"`);
        if (zone.alive) await links.apply(ops);
      },
      enableForwarding: () => links.enableForwarding(),
      killSockets: () => zone.sleep(1 + deps.random.unit() * 4),
      deviceTo: () => links.deviceTo(),
    };
  }

  /** The agent's own, on a modelled nft. */
  private fenceFor(zone: Zone): KernelLease {
    const held = (address: string): void => {
      const item = this.vips().find((vip) => vip.address === address);
      if (item?.role === 'holder') this.heldEpoch = item.epoch;
    };
    class Watched extends NftLease {
      override allow(address: string, forMs: number): Promise<void> {
        held(address);
        return super.allow(address, forMs);
      }
    }
    return new Watched({ clock: zone, timers: zone, log: silentLog, processes: this.nft.portFor(zone) }, 'lease');
  }
}
