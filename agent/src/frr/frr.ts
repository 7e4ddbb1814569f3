import { join } from 'node:path';
import { errorMessage, Serial, type Cancel } from '#kernel';
import { agentV1, type VipItem } from '#proto';
import type { NetworkSection } from '../network/compose.js';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import { FRR_PACKAGE, FrrDaemons } from './daemons.js';
import { FrrNetwork, type Wanted } from './network.js';
import type { Vty } from './vty.js';
import { sectionWith, silentWord, vipWith } from './word.js';

const TICK_MS = 250;
/** A look may take this part of the time at most: a reflector of hundreds has much to tell. */
const SHARE = 8;
const PAUSE_MAX_MS = 1_000;
const ABSENT_MS = 30_000;

export interface FrrOptions {
  readonly ports: Pick<AgentPorts, 'clock' | 'timers' | 'log' | 'files' | 'processes'>;
  readonly services: ServiceManager;
  readonly vty: Vty;
  readonly stateDir: string;
}

export interface FrrHooks {
  /** The virtual IPs of a network that this node holds now. */
  held(networkId: string): readonly VipItem[];
  /** What was learned has changed; `moved` are the virtual IPs that are elsewhere now. */
  learned(networkId: string, moved: readonly string[]): Promise<void>;
}

/** The routing daemons of this node's ibgp networks. Without the package, or while it fails, what is compiled goes on. */
export class Frr {
  private readonly daemons: FrrDaemons;
  private readonly networks = new Map<string, FrrNetwork>();
  private readonly queue = new Serial();
  private cancel: Cancel | undefined;
  private version: string | undefined;
  private askedMs = Number.NEGATIVE_INFINITY;
  private notBeforeMs = 0;
  private busy = false;
  private storeEpoch = '';
  /** Handle by network: whose daemons may be running, also from an earlier life of the agent. */
  private handles: Record<string, string> | undefined;

  constructor(
    private readonly options: FrrOptions,
    private readonly hooks: FrrHooks,
  ) {
    this.daemons = new FrrDaemons(options.ports, options.services, options.stateDir);
  }

  start(): void {
    this.cancel = this.options.ports.timers.every(TICK_MS, () => void this.tick());
  }

  /** The daemons go on. */
  stop(): void {
    this.cancel?.();
    for (const network of this.networks.values()) network.release();
  }

  /** A section was applied: its interface and addresses are there. Nobody waits for the daemons. */
  apply(section: NetworkSection, storeEpoch: string): void {
    const { networkId, bgp: item, iface } = section;
    if (storeEpoch !== this.storeEpoch) for (const network of this.networks.values()) network.forgetEpochs();
    this.storeEpoch = storeEpoch;
    if (item === undefined || iface === undefined) {
      this.inTurn(() => this.end(networkId));
      return;
    }
    const wanted = { section, item, handle: iface.name.slice(iface.name.lastIndexOf('-') + 1) };
    const known = this.networks.get(networkId);
    if (known?.wanted.handle === wanted.handle) known.wanted = wanted;
    else this.inTurn(() => this.begin(networkId, wanted));
  }

  remove(networkId: string): Promise<void> {
    return this.queue.run(() => this.end(networkId));
  }

  /** The section as it counts with what was learned. */
  section(section: NetworkSection): NetworkSection {
    return sectionWith(section, this.networks.get(section.networkId)?.word ?? silentWord);
  }

  vips(section: NetworkSection, vips: readonly VipItem[], holds: (vip: VipItem) => boolean): readonly VipItem[] {
    const word = this.networks.get(section.networkId)?.word;
    return word === undefined || word.holders.size === 0 ? vips : vips.map((vip) => vipWith(vip, section, word, holds));
  }

  report(networkId: string): agentV1.Routing | undefined {
    const network = this.networks.get(networkId);
    if (network === undefined) return undefined;
    if (this.version !== undefined) return network.report(this.version);
    // Not asked for yet: there is nothing to say.
    if (this.askedMs === Number.NEGATIVE_INFINITY) return undefined;
    const error = `FRR is not on this node: install the package ${FRR_PACKAGE} (apt-get install ${FRR_PACKAGE}). Until then its routes are the static ones that the platform compiles`;
    return { daemon: '', sessions: [], learned: [], error };
  }

  private async tick(): Promise<void> {
    const { clock } = this.options.ports;
    if (this.busy || this.networks.size === 0 || clock.monotonicMs() < this.notBeforeMs) return;
    this.busy = true;
    try {
      if (!(await this.isThere())) return;
      for (const [networkId, network] of this.networks) await this.step(networkId, network);
    } finally {
      const cost = [...this.networks.values()].reduce((sum, network) => sum + network.listenedMs, 0);
      this.notBeforeMs = clock.monotonicMs() + Math.min(cost * SHARE, PAUSE_MAX_MS);
      this.busy = false;
    }
  }

  private async step(networkId: string, network: FrrNetwork): Promise<void> {
    const news = await this.queue.run(async () =>
      this.networks.get(networkId) === network ? network.step() : undefined,
    );
    if (news === undefined) return;
    try {
      await this.hooks.learned(networkId, news);
    } catch (error) {
      // The next look at everything, within a second, does it again.
      this.options.ports.log.warn(
        { network: networkId, error: errorMessage(error) },
        'what was learned is not in use yet',
      );
    }
  }

  private async isThere(): Promise<boolean> {
    const now = this.options.ports.clock.monotonicMs();
    if (this.version === undefined && now - this.askedMs >= ABSENT_MS) {
      this.version = await this.daemons.version();
      if (this.version === undefined)
        this.options.ports.log.warn({ package: FRR_PACKAGE }, 'FRR is not installed; static routes go on');
      this.askedMs = now;
    }
    return this.version !== undefined;
  }

  private inTurn(what: () => Promise<void>): void {
    this.queue.run(what).catch((error: unknown) => {
      this.options.ports.log.error({ error: errorMessage(error) }, 'routing daemons are not as they should be');
    });
  }

  private async begin(networkId: string, wanted: Wanted): Promise<void> {
    await this.remember(networkId, wanted.handle);
    const { ports, vty } = this.options;
    const deps = { ports, vty, daemons: this.daemons, held: (id: string) => this.hooks.held(id) };
    this.networks.set(networkId, new FrrNetwork(deps, wanted));
  }

  private async end(networkId: string): Promise<void> {
    const network = this.networks.get(networkId);
    this.networks.delete(networkId);
    const handle = (await this.known())[networkId];
    network?.release();
    if (handle === undefined) return;
    await this.daemons.stopBgpd(handle);
    const rest = Object.fromEntries(Object.entries(await this.known()).filter(([id]) => id !== networkId));
    await this.save(rest);
    if (Object.keys(rest).length === 0) await this.daemons.stopShared();
    this.options.ports.log.info({ network: networkId }, 'routing daemon ended');
  }

  private async remember(networkId: string, handle: string): Promise<void> {
    const known = await this.known();
    if (known[networkId] !== undefined && known[networkId] !== handle) await this.daemons.stopBgpd(known[networkId]);
    if (known[networkId] !== handle) await this.save({ ...known, [networkId]: handle });
  }

  private async known(): Promise<Record<string, string>> {
    if (this.handles === undefined) {
      const text = (await this.options.ports.files.read(this.path))?.toString('utf8');
      this.handles = text === undefined ? {} : (JSON.parse(text) as Record<string, string>);
    }
    return this.handles;
  }

  private async save(handles: Record<string, string>): Promise<void> {
    this.handles = handles;
    await this.options.ports.files.write(this.path, JSON.stringify(handles), 0o600);
  }

  private get path(): string {
    return join(this.options.stateDir, 'frr', 'networks.json');
  }
}
