import { type Clock, errorMessage, type Log, Serial, type Timers } from '#kernel';
import { canonicalAddress } from '../network/cidr.js';
import type { Processes } from '../ports.js';
import { noKernelLease, type KernelLease } from './kernel-lease.js';
import { armLine, blockLine, freshScript, leaseTable, openLine, shapeScript } from './nft-script.js';
import { NftShell } from './nft-shell.js';

interface Ports {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly processes: Pick<Processes, 'run' | 'openPipe'>;
  readonly log: Log;
}

/** A process that takes longer than this for a few lines hangs. It is killed, and what it was to do has failed. */
const NFT_LIMIT_MS = 1_000;

type Carry = (line: string) => Promise<void>;

/** The lease of each VIP as an element of an nftables set that times out with it. */
export class NftLease implements KernelLease {
  private broken = false;
  /** Until when each address may pass, on the agent's clock. */
  private readonly until = new Map<string, number>();
  private readonly shell: NftShell;
  private readonly building = new Serial();
  private next: Promise<void> | undefined;
  private token = 0;

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
    await this.build(() => freshScript(this.table, [...this.until.keys()]));
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
    this.until.set(address, this.now() + forMs);
    if (!known || this.broken) await this.rebuild();
    await this.refresh(address);
  }

  async deny(given: string): Promise<void> {
    const address = canonicalAddress(given);
    if (!this.until.has(address)) return;
    this.until.set(address, -Infinity);
    await this.refresh(address);
  }

  async forget(given: string): Promise<void> {
    const address = canonicalAddress(given);
    if (this.until.delete(address)) await this.build(() => shapeScript(this.table, [...this.until.keys()], [address]));
  }

  close(): void {
    this.shell.close();
  }

  private async refresh(address: string): Promise<void> {
    try {
      await this.carryOut(address, (line) => this.shell.run(line), [25, 100, 200]);
    } catch (error) {
      // Somebody flushed the rule set, or nft hung or was killed.
      this.ports.log.warn({ table: this.table, error: errorMessage(error) }, 'kernel lease is set up again');
      await this.rebuild();
      await this.carryOut(address, (line) => this.nft(`${line}\n`), [100, 200]);
    }
  }

  /**
   * Says to the kernel what is wanted of an address now. Whatever delays a line on its way (a stopped or swapped-out nft, a
   * frozen control group), it must not let the address pass past its lease: it is carried out only within `slackMs` of its
   * token, which is there when the line is sent, and asks for that much less than what is left. With a short slack first,
   * because it is taken from the lease.
   */
  private async carryOut(address: string, carry: Carry, slacks: readonly number[]): Promise<void> {
    let late: unknown;
    for (const slackMs of slacks) {
      if (this.leftOf(address) === undefined) return;
      if (this.leftOf(address)! <= slackMs) return carry(blockLine(this.table, address));
      const token = ++this.token;
      await carry(armLine(this.table, token, slackMs));
      const until = this.until.get(address);
      const forMs = (this.leftOf(address) ?? 0) - slackMs;
      if (until === undefined) return;
      if (forMs < 1) return carry(blockLine(this.table, address));
      try {
        await carry(openLine(this.table, token, { address, forMs }));
        // Given up meanwhile: another process may have carried that out before this.
        return (this.until.get(address) ?? until) < until ? carry(blockLine(this.table, address)) : undefined;
      } catch (error) {
        late = error;
      }
    }
    throw late;
  }

  private leftOf(address: string): number | undefined {
    const until = this.until.get(address);
    return until === undefined ? undefined : until - this.now();
  }

  /** One at a time, each with what is wanted when it runs; who asks while one waits for its turn is served by that one. */
  private rebuild(): Promise<void> {
    return (this.next ??= this.build(() => {
      this.next = undefined;
      return shapeScript(this.table, [...this.until.keys()]);
    }));
  }

  private build(script: () => string): Promise<void> {
    return this.building.run(async () => {
      this.broken = true;
      await this.nft(script());
      this.broken = false;
    });
  }

  private async nft(script: string): Promise<void> {
    const result = await this.ports.processes.run('nft', ['-f', '-'], script, NFT_LIMIT_MS);
    if (result.code !== 0) throw new Error(`nft: ${result.stderr.trim().split('\n')[0]}`);
  }

  private now(): number {
    return this.ports.clock.monotonicMs();
  }
}

/** nftables where it works here, shown by a table of its own that goes again; else a word why the kernel cannot help. */
export const chooseKernelLease = async (ports: Ports, stateDir: string): Promise<KernelLease> => {
  const table = leaseTable(stateDir);
  const probe = `${table}_probe`;
  const lines = [armLine(probe, 1, 1_000), openLine(probe, 1, { address: 'fd00::1', forMs: 1_000 })];
  const script = `${freshScript(probe, ['fd00::1'])}${lines.join('\n')}\ndelete table inet ${probe}\n`;
  const result = await ports.processes.run('nft', ['-f', '-'], script);
  if (result.code === 0) return new NftLease(ports, table);
  const reason = result.stderr.trim().split('\n')[0];
  ports.log.warn({ reason }, 'leases are not enforced by the kernel here: a paused agent could answer past its lease');
  return noKernelLease;
};
