import { type Clock, errorMessage, type Log, Serial, type Timers } from '#kernel';
import { canonicalAddress } from '../network/cidr.js';
import type { Processes } from '../ports.js';
import { noKernelLease, type KernelLease } from './kernel-lease.js';
import { leaseTable, refreshLine, tableScript, type FencedAddress } from './nft-script.js';
import { NftShell } from './nft-shell.js';

interface Ports {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly processes: Pick<Processes, 'run' | 'openPipe'>;
  readonly log: Log;
}

/** The kernel gets the lease this much shorter: what it takes nft to start under load must not lengthen it. */
const MARGIN_MS = 25;
/** An element's time starts when the kernel gets it; after a slower answer than this it is set again, to what is left. */
const SLOW_MS = 25;

/** The lease of each VIP as an element of an nftables set that times out with it. */
export class NftLease implements KernelLease {
  private broken = false;
  /** Until when each address may pass, on the agent's clock. */
  private readonly until = new Map<string, number>();
  private readonly shell: NftShell;
  private readonly building = new Serial();

  constructor(
    private readonly ports: Ports,
    private readonly table: string,
  ) {
    this.shell = new NftShell(ports.processes, ports.timers);
  }

  get kind(): 'nft' | 'none' {
    return this.broken ? 'none' : 'nft';
  }

  async start(addresses: readonly string[]): Promise<void> {
    for (const address of addresses) this.until.set(canonicalAddress(address), -Infinity);
    await this.rebuild();
    if (addresses.length > 0) this.shell.warm();
  }

  async watch(given: string): Promise<void> {
    const address = canonicalAddress(given);
    if (this.until.has(address)) return;
    this.until.set(address, -Infinity);
    await this.rebuild();
    this.shell.warm();
  }

  async allow(given: string, forMs: number): Promise<void> {
    const address = canonicalAddress(given);
    const known = this.until.has(address);
    this.until.set(address, this.now() + forMs - MARGIN_MS);
    if (known) await this.refresh(address);
    else await this.rebuild();
  }

  async deny(given: string): Promise<void> {
    const address = canonicalAddress(given);
    if (this.until.get(address) === undefined) return;
    this.until.set(address, -Infinity);
    await this.refresh(address);
  }

  async forget(given: string): Promise<void> {
    if (this.until.delete(canonicalAddress(given))) await this.rebuild();
  }

  close(): void {
    this.shell.close();
  }

  private async refresh(address: string): Promise<void> {
    const until = this.until.get(address);
    if (until === undefined) return;
    const startedAt = this.now();
    try {
      await this.shell.run(refreshLine(this.table, { address, forMs: until - startedAt }));
    } catch (error) {
      // Somebody flushed the rule set, or nft was killed.
      this.ports.log.warn({ table: this.table, error: errorMessage(error) }, 'kernel lease is set up again');
      return this.rebuild();
    }
    const late = this.now() - startedAt > SLOW_MS && until > startedAt;
    if (late && this.until.get(address) === until) await this.refresh(address);
  }

  /** One at a time, each with what is wanted when it runs. */
  private rebuild(): Promise<void> {
    return this.building.run(async () => {
      // Under load a process takes its time to start: then once more, with what is left.
      if ((await this.replace()) > SLOW_MS) await this.replace();
    });
  }

  private async replace(): Promise<number> {
    const startedAt = this.now();
    const fenced: FencedAddress[] = [...this.until].map(([address, until]) => ({ address, forMs: until - startedAt }));
    const result = await this.ports.processes.run('nft', ['-f', '-'], tableScript(this.table, fenced));
    this.broken = result.code !== 0;
    if (this.broken) throw new Error(`nft: ${result.stderr.trim().split('\n')[0]}`);
    return this.now() - startedAt;
  }

  private now(): number {
    return this.ports.clock.monotonicMs();
  }
}

/** nftables where it works here, shown by a table of its own that goes again; else a word why the kernel cannot help. */
export const chooseKernelLease = async (ports: Ports, stateDir: string): Promise<KernelLease> => {
  const table = leaseTable(stateDir);
  const probe = `${tableScript(`${table}_probe`, [{ address: 'fd00::1', forMs: 1_000 }])}delete table inet ${table}_probe\n`;
  const result = await ports.processes.run('nft', ['-f', '-'], probe);
  if (result.code === 0) return new NftLease(ports, table);
  const reason = result.stderr.trim().split('\n')[0];
  ports.log.warn({ reason }, 'leases are not enforced by the kernel here: a paused agent could answer past its lease');
  return noKernelLease;
};
