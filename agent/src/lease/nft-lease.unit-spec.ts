import { ManualClock, silentLog } from '#kernel';
import type { Processes } from '../ports.js';
import { NftLease } from './nft-lease.js';

const VIP = 'fd00:abcd::100';

const setUp = () => {
  const clock = new ManualClock(0);
  const begun: string[] = [];
  const processes: Pick<Processes, 'run' | 'openPipe'> = {
    run: async (command) => {
      begun.push(command);
      return { code: 0, stdout: '', stderr: '' };
    },
    openPipe: (command, args) => {
      begun.push([command, ...args].join(' '));
      return { write: () => undefined, kill: () => undefined };
    },
  };
  const lease = new NftLease({ clock, timers: clock, processes, log: silentLog }, 'table');
  return { lease, begun };
};

describe('the process that refreshes the kernel lease', () => {
  it('is there before it is needed: when a VIP comes, and from the start where one is known from before', async () => {
    for (const know of ['watch', 'start'] as const) {
      const { lease, begun } = setUp();
      if (know === 'start') await lease.start([VIP]);
      await lease.watch(VIP);
      expect(begun.filter((one) => one === 'nft -i')).toHaveLength(1);
    }
  });

  it('is not there where no VIP is', async () => {
    const { lease, begun } = setUp();
    await lease.start([]);
    expect(begun).toEqual(['nft']);
  });
});
