import { type Clock, errorMessage, type Log, type Random, Serial, type Timers } from '#kernel';
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

/** How late a line may be carried out, tried in this order; the shortest is not tried for a while after it was too short. */
const SLACKS_MS = [25, 100, 200];
const BUSY_FOR_MS = 5_000;

type Carry = (line: string) => Promise<void>;

/** The lease of each VIP as an element of an nftables set that times out with it. */
export class NftLease implements KernelLease {
  /** The last that was to be built was not; what was built before stands, and is refreshed all the same. */
  private broken = false;
  private mending = false;
  private busyUntil = -Infinity;
  /** Until when each address may pass, on the agent's clock. */
  private readonly until = new Map<string, number>();
  /** Until when at most the kernel lets it pass by what it was told. */
  private readonly passes = new Map<string, number>();
  /** Until when it does, as the kernel has said. */
  private readonly opened = new Map<string, number>();
  /** What the kernel has rules for. */
  private built: ReadonlySet<string> = new Set();
  private readonly shell: NftShell;
  private readonly building = new Serial();
  private next: Promise<void> | undefined;

  /** `token`: where the count begins; not where a former life's did, whose lines may hang somewhere still. */
  constructor(
    private readonly ports: Ports,
    private readonly table: string,
    private token = 0,
  ) {
    this.shell = new NftShell(ports.processes, ports.timers);
  }

  get kind(): 'nft' | 'none' {
    return this.broken ? 'none' : 'nft';
  }

  async start(addresses: readonly string[]): Promise<void> {
    for (const address of addresses) this.until.set(canonicalAddress(address), -Infinity);
    await this.build((fenced) => freshScript(this.table, fenced));
    if (addresses.length > 0) this.shell.warm();
  }

  async watch(given: string): Promise<void> {
    const address = canonicalAddress(given);
    if (!this.until.has(address)) this.until.set(address, -Infinity);
    else if (this.built.has(address)) return;
    await this.ensureBuilt(address);
    this.shell.warm();
  }

  async allow(given: string, forMs: number): Promise<void> {
    const address = canonicalAddress(given);
    this.until.set(address, this.now() + forMs);
    await this.ensureBuilt(address);
    await this.refresh(address);
    this.mend();
  }

  isOpen(given: string): boolean {
    const address = canonicalAddress(given);
    return !this.built.has(address) || (this.opened.get(address) ?? -Infinity) > this.now();
  }

  async deny(given: string): Promise<void> {
    const address = canonicalAddress(given);
    if (!this.until.has(address)) return;
    this.until.set(address, -Infinity);
    this.opened.delete(address);
    await this.ensureBuilt(address);
    await this.refresh(address);
  }

  async forget(given: string): Promise<void> {
    const address = canonicalAddress(given);
    if (!this.until.delete(address) && !this.built.has(address)) return;
    await this.build((fenced) => shapeScript(this.table, fenced, [address]));
  }

  close(): void {
    this.shell.close();
  }

  private async refresh(address: string): Promise<void> {
    try {
      const slacks = SLACKS_MS.slice(this.now() < this.busyUntil ? 1 : 0);
      await this.carryOut(address, (line) => this.shell.run(line), slacks);
    } catch (error) {
      // Somebody flushed the rule set, or nft hung or was killed.
      this.ports.log.warn({ table: this.table, error: errorMessage(error) }, 'kernel lease is set up again');
      await this.rebuild();
      await this.carryOut(address, (line) => this.nft(`${line}\n`), SLACKS_MS.slice(1));
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
      if (this.leftOf(address)! <= slackMs) return this.letEnd(address, carry);
      const token = ++this.token;
      await carry(armLine(this.table, token, slackMs));
      const until = this.until.get(address);
      const forMs = (this.leftOf(address) ?? 0) - slackMs;
      if (until === undefined) return;
      if (forMs < 1) return this.letEnd(address, carry);
      this.passes.set(address, Math.max(this.passes.get(address) ?? until, until));
      try {
        await carry(openLine(this.table, token, { address, forMs }));
        this.opened.set(address, until);
        // Given up meanwhile: another process may have carried that out before this.
        return (this.until.get(address) ?? until) < until ? carry(blockLine(this.table, address)) : undefined;
      } catch (error) {
        late = error;
        if (slackMs === SLACKS_MS[0]) this.busyUntil = this.now() + BUSY_FOR_MS;
      }
    }
    throw late;
  }

  /** Too little is left to ask for: what the kernel has ends by itself and in time, unless less is wanted than it was told. */
  private async letEnd(address: string, carry: Carry): Promise<void> {
    const until = this.until.get(address);
    if (until !== undefined && until > this.now() && (this.passes.get(address) ?? until) <= until) return;
    await carry(blockLine(this.table, address));
  }

  private leftOf(address: string): number | undefined {
    const until = this.until.get(address);
    return until === undefined ? undefined : until - this.now();
  }

  /** An address for which there are no rules cannot be opened or blocked; the others are not kept waiting for it. */
  private async ensureBuilt(address: string): Promise<void> {
    if (!this.built.has(address)) await this.building.idle();
    if (!this.built.has(address)) await this.rebuild();
  }

  /** What could not be built is tried again with the next extension, which has gone first. */
  private mend(): void {
    if (!this.broken || this.mending) return;
    this.mending = true;
    const failed = (error: unknown) =>
      this.ports.log.warn({ table: this.table, error: errorMessage(error) }, 'kernel lease is not set up yet');
    void this.rebuild()
      .catch(failed)
      .finally(() => (this.mending = false));
  }

  /** One at a time, each with what is wanted when it runs; who asks while one waits for its turn is served by that one. */
  private rebuild(): Promise<void> {
    return (this.next ??= this.build((fenced) => {
      this.next = undefined;
      return shapeScript(this.table, fenced);
    }));
  }

  private build(script: (fenced: readonly string[]) => string): Promise<void> {
    return this.building.run(async () => {
      const fenced = [...this.until.keys()];
      try {
        await this.nft(script(fenced));
      } catch (error) {
        this.broken = true;
        throw error;
      }
      this.broken = false;
      this.built = new Set(fenced);
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
export const chooseKernelLease = async (
  ports: Ports & { readonly random: Random },
  stateDir: string,
): Promise<KernelLease> => {
  const table = leaseTable(stateDir);
  const probe = `${table}_probe`;
  const lines = [armLine(probe, 1, 1_000), openLine(probe, 1, { address: 'fd00::1', forMs: 1_000 })];
  const script = `${freshScript(probe, ['fd00::1'])}${lines.join('\n')}\ndelete table inet ${probe}\n`;
  const result = await ports.processes.run('nft', ['-f', '-'], script);
  if (result.code === 0) return new NftLease(ports, table, Math.floor(ports.random.unit() * 2 ** 31));
  const reason = result.stderr.trim().split('\n')[0];
  ports.log.warn({ reason }, 'leases are not enforced by the kernel here: a paused agent could answer past its lease');
  return noKernelLease;
};
