import { silentLog } from '#kernel';
import type { VipItem } from '#proto';
import { noKernelLease, type KernelLease } from '../lease/kernel-lease.js';
import { VipFence } from './vip-fence.js';

const vip = (n: number) => ({ vip_id: `vip-${n}`, address: `fd00::${n}` }) as VipItem;

describe('a fence that does not open', () => {
  it('is told with what is wrong with it for this VIP, not for another one', async () => {
    const fails = vip(1).address;
    const allow = async (address: string) => {
      if (address === fails) throw new Error(`nft: no room for ${address}`);
    };
    const lease: KernelLease = { ...noKernelLease, allow, isOpen: () => false };
    const fence = new VipFence(lease, silentLog);
    await expect(fence.open(vip(1), 500)).rejects.toThrow('does not let it pass yet: nft: no room for fd00::1');
    const both = [fence.open(vip(2), 5), fence.set(vip(1), (kernel) => kernel.allow(vip(1).address, 5))] as const;
    await expect(both[0]).rejects.toThrow('does not let it pass yet: too little of its lease was left');
    expect(await both[1]).toBe(false);
  });
});
