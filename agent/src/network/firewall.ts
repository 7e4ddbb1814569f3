import type { Clock, Log } from '#kernel';
import type { FirewallItem, InterfaceItem } from '#proto';
import type { Processes } from '../ports.js';
import type { NetworkSection } from './compose.js';
import { firewallScript, firewallTable, removalScript } from './firewall-script.js';

interface Ports {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly processes: Pick<Processes, 'run'>;
  readonly log: Log;
}

/** What a table is made of, beside its rules. */
export interface FirewallAbout {
  /** In an ibgp network: the routing daemons' BGP, which passes. */
  readonly bgpPort?: number | undefined;
  /** On a gateway and on a hub: what is forwarded to other interfaces, and nothing else. */
  readonly lan?: InterfaceItem['lan'];
}

/** A hub without LANs is guarded where that is possible, and a hub all the same where it is not. */
export const hasLans = (lan: InterfaceItem['lan']): boolean => lan !== undefined && lan.subnets.length > 0;

export const aboutOf = ({ iface, bgp }: Pick<NetworkSection, 'iface' | 'bgp'>): FirewallAbout => ({
  bgpPort: bgp?.port,
  lan: iface?.lan ?? (iface?.guard && { ...iface.guard, subnets: [], masquerade: false }),
});

interface Written extends FirewallAbout {
  readonly device: string;
  readonly rules: readonly FirewallItem[];
  readonly script: string;
  readonly listing: string;
}

/** How often the rules are compared with what was written: with a tick of a second, what was changed is found within five. */
const LOOK_MS = 3_500;

/** The firewall of one interface: what is there is compared with what was written, and written again when it differs. */
export class Firewall {
  private written: Written | undefined;
  private lookedMs = -Infinity;

  constructor(
    private readonly ports: Ports,
    private readonly leasePort: number,
    private readonly repaired: () => void = () => undefined,
  ) {}

  /** Level-triggered. Rejects when the rules could not be written; the earlier ones then stay. */
  async apply(device: string, rules: readonly FirewallItem[], about: FirewallAbout = {}): Promise<void> {
    const { bgpPort, lan } = about;
    const script = firewallScript(device, rules, this.leasePort, bgpPort, lan);
    let isRepair = false;
    if (this.written?.script === script) {
      const now = this.ports.clock.monotonicMs();
      if (now - this.lookedMs < LOOK_MS) return;
      this.lookedMs = now;
      if ((await this.listing(device)) === this.written.listing) return;
      this.ports.log.warn({ interface: device }, 'somebody changed the firewall; it is written again');
      isRepair = true;
    }
    const { code, stderr } = await this.ports.processes.run('nft', ['-f', '-'], script);
    const listing = await this.listing(device);
    // Where nft does not work, having no rules needs no nft, unless those of an earlier life still stand.
    if (code !== 0 && (rules.length > 0 || hasLans(lan) || listing !== ''))
      throw new Error(`nft: ${stderr.trim().split('\n')[0] || 'cannot be run'}`);
    if (code !== 0 && lan !== undefined)
      this.ports.log.warn(
        { interface: device, error: stderr.trim().split('\n')[0] },
        'nft does not work here: peers may reach what is beside this hub',
      );
    this.written = { device, rules, bgpPort, lan, script, listing };
    this.lookedMs = this.ports.clock.monotonicMs();
    if (isRepair) this.repaired();
  }

  /** Asks, now and then or `always`, whether the rules are as they were written; the next `apply` does something about it. */
  async isUntouched(always = false): Promise<boolean> {
    const { written } = this;
    const now = this.ports.clock.monotonicMs();
    if (written === undefined || (!always && now - this.lookedMs < LOOK_MS)) return true;
    this.lookedMs = now;
    if ((await this.listing(written.device)) === written.listing) return true;
    this.lookedMs = -Infinity;
    return false;
  }

  /** True when exactly these rules were written last, as far as can be told without asking. */
  stands(section: Pick<NetworkSection, 'iface' | 'bgp' | 'firewall'>): boolean {
    const { written } = this;
    const rules = section.firewall;
    const { bgpPort, lan } = aboutOf(section);
    return (
      rules !== undefined &&
      written !== undefined &&
      written.device === section.iface?.name &&
      written.bgpPort === bgpPort &&
      this.guards(lan) &&
      written.rules.length === rules.length &&
      written.rules.every((rule, n) => rule === rules[n])
    );
  }

  /** Whether what was written last lets through to these LANs what it should, and nothing else. */
  guards(lan: InterfaceItem['lan']): boolean {
    return this.written !== undefined && JSON.stringify(this.written.lan) === JSON.stringify(lan);
  }

  /** Whether rules of this agent's stand on the node at all: an interface must not be up without. */
  get isWritten(): boolean {
    return this.written !== undefined;
  }

  async remove(device: string): Promise<void> {
    if (this.written === undefined || this.written.listing === '') return;
    this.written = undefined;
    const { code, stderr } = await this.ports.processes.run('nft', ['-f', '-'], removalScript(device));
    if (code !== 0) throw new Error(`nft: ${stderr.trim().split('\n')[0] || 'cannot be run'}`);
  }

  /** Without counters; empty when there is no table. */
  private async listing(device: string): Promise<string> {
    const { code, stdout } = await this.ports.processes.run('nft', [
      '-s',
      'list',
      'table',
      'inet',
      firewallTable(device),
    ]);
    return code === 0 ? stdout : '';
  }
}
