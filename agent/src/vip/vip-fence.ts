import { errorMessage, type Log } from '#kernel';
import type { VipItem } from '#proto';
import type { KernelLease } from '../lease/kernel-lease.js';

/** The kernel's lease as VIPs use it. */
export class VipFence {
  private problem = '';
  /** Held VIPs whose fence did not open when they were to be carried out. */
  private readonly blocked = new Set<string>();

  constructor(
    private readonly fence: KernelLease,
    private readonly log: Log,
  ) {}

  /** A fence that cannot be set does not keep the VIP away; it is said once for each reason. Answers whether it is set. */
  async set(item: VipItem | undefined, change: (fence: KernelLease) => Promise<void>): Promise<boolean> {
    return (await this.attempt(item, change)) === '';
  }

  /** What is wrong with it; empty when nothing is. */
  private async attempt(item: VipItem | undefined, change: (fence: KernelLease) => Promise<void>): Promise<string> {
    const problem = await change(this.fence).then(
      () => '',
      (error: unknown) => errorMessage(error),
    );
    if (problem !== '' && problem !== this.problem)
      this.log.error({ vip: item?.vip_id, error: problem }, 'the kernel does not enforce the lease');
    this.problem = problem;
    return problem;
  }

  /** Throws where the fence stands and does not open: nobody is answered here, and nobody may be sent here. */
  async open(item: VipItem, forMs: number): Promise<void> {
    const problem = await this.attempt(item, (fence) => fence.allow(item.address, forMs));
    if (this.fence.isOpen(item.address)) return;
    this.blocked.add(item.vip_id);
    throw new Error(`the kernel does not let it pass yet: ${problem || 'too little of its lease was left'}`);
  }

  /** Answers whether it was what a VIP waited for. */
  async extend(item: VipItem, forMs: number): Promise<boolean> {
    const isSet = await this.set(item, (fence) => fence.allow(item.address, forMs));
    return isSet && this.blocked.delete(item.vip_id);
  }

  forget(item: VipItem): void {
    this.blocked.delete(item.vip_id);
    void this.set(item, (fence) => fence.forget(item.address));
  }
}
