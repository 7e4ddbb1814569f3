import { ManualClock, silentLog } from '#kernel';
import type { Processes } from '../ports.js';
import { NftLease } from './nft-lease.js';

const VIP = 'fd00:abcd::100';
const OTHER = 'fd00:abcd::101';

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

/** An nft of which a test says what it does: whether `nft -f` answers, and what the shell says to a line. */
const scripted = () => {
  const clock = new ManualClock(0);
  const lines: string[] = [];
  const nft = {
    build: async (): Promise<{ code: number; stdout: string; stderr: string }> => done,
    says: (_line: string): string => '',
  };
  const processes: Pick<Processes, 'run' | 'openPipe'> = {
    run: () => nft.build(),
    openPipe: (_command, _args, { onStderr }) => ({
      write: (text) => {
        const [line, marker] = text.split('\n') as [string, string];
        lines.push(line);
        onStderr?.(`${nft.says(line)}Error: syntax error, unexpected string\n${marker}\n^^^^^\n`);
      },
      kill: () => undefined,
    }),
  };
  const lease = new NftLease({ clock, timers: clock, processes, log: silentLog }, 'table');
  /** How long the address was last let pass for, or that it was blocked. */
  const last = () =>
    lines.at(-1)?.startsWith('flush') === true ? 'blocked' : /timeout (\d+)ms \}$/.exec(lines.at(-1) ?? '')?.[1];
  return { clock, lease, nft, lines, last };
};
const done = { code: 0, stdout: '', stderr: '' };

describe('the lease of a healthy holder', () => {
  it('is extended at once while the rules of another VIP are built, and after that failed, which is made good', async () => {
    const { clock, lease, nft, last } = scripted();
    await lease.watch(VIP);
    let builds = 0;
    let end = (_result: typeof done) => undefined as void;
    nft.build = () => ((builds += 1), new Promise((resolve) => (end = resolve)));
    const other = lease.watch(OTHER).catch(() => 'failed');
    await lease.allow(VIP, 600);
    expect([last(), lease.kind, builds]).toEqual(['575', 'nft', 1]);
    end({ ...done, code: 1 });
    expect([await other, lease.kind]).toEqual(['failed', 'none']);
    await clock.advance(100);
    await lease.allow(VIP, 700);
    await lease.allow(VIP, 800);
    expect([last(), builds]).toEqual(['775', 2]);
    end(done);
    await clock.advance(0);
    expect(lease.kind).toBe('nft');
    await lease.allow(OTHER, 600);
    expect([last(), builds]).toEqual(['575', 2]);
  });

  it('is not cut short because little of it is left: what the kernel has ends by itself', async () => {
    const { clock, lease, nft, lines, last } = scripted();
    await lease.allow(VIP, 600);
    await clock.advance(500);
    nft.says = (line) => (line.startsWith('delete element') ? 'Error: too late\n' : '');
    // Two tries come too late, and the third would need more than is left.
    await lease.allow(VIP, 150);
    expect(lines.filter((line) => line.startsWith('flush'))).toEqual([]);
    // Less than it was told before must not be left to run on.
    nft.says = () => '';
    await lease.allow(VIP, 60_000);
    await lease.allow(VIP, 20);
    expect(last()).toBe('blocked');
    await lease.allow(VIP, 60_000);
    await lease.deny(VIP);
    expect(last()).toBe('blocked');
  });

  it('is not asked for with too short a time again right after that was too short', async () => {
    const { clock, lease, nft, lines, last } = scripted();
    nft.says = (line) => (line.includes('{ 1 }') ? 'Error: too late\n' : '');
    await lease.allow(VIP, 600);
    expect([lines.length, last()]).toEqual([4, '500']);
    await lease.allow(VIP, 600);
    expect([lines.length, last()]).toEqual([6, '500']);
    await clock.advance(5_000);
    await lease.allow(VIP, 600);
    expect([lines.length, last()]).toEqual([8, '575']);
  });
});
