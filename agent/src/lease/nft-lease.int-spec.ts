import { silentLog, systemClock, systemRandom, systemTimers, type Log } from '#kernel';
import { systemProcesses } from '../adapters/processes.js';
import type { Processes } from '../ports.js';
import { eventually } from '../testing/harness.js';
import { makeNetwork, missingForReal, realOrExplain, type Netns } from '../testing/netns.js';
import { chooseKernelLease, NftLease } from './nft-lease.js';
import { leaseTable } from './nft-script.js';

const VIP = 'fd00:abcd::100';
const OTHER = 'fd00:abcd::101';
const TABLE = leaseTable('/somewhere');
const wait = (ms: number) => new Promise<void>((resolve) => systemTimers.after(ms, resolve));

describe('the kernel lease, by real nftables in a namespace', () => {
  let real: boolean;
  let node: Netns;
  let remove: () => Promise<void> = async () => undefined;
  let leases: NftLease[] = [];

  beforeAll(async () => {
    real = realOrExplain(await missingForReal(), 'the kernel lease');
    if (!real) return;
    const network = await makeNetwork(1);
    node = network.nodes[0]!;
    remove = network.remove;
    for (const address of [VIP, OTHER])
      await node.processes.run('ip', ['addr', 'add', `${address}/128`, 'dev', 'lo', 'nodad']);
  });
  afterEach(() => {
    for (const lease of leases) lease.close();
    leases = [];
  });
  afterAll(() => remove());

  const open = (log: Log = silentLog, processes = node.processes) => {
    const lease = new NftLease({ clock: systemClock, timers: systemTimers, processes, log }, TABLE);
    leases.push(lease);
    return lease;
  };
  const answers = async (address: string) =>
    (await node.processes.run('ping', ['-6', '-n', '-c1', '-W0.3', address])).code === 0;
  const check = (title: string, run: () => Promise<void>) =>
    it(title, async () => {
      if (real) await run();
    });

  check('lets an address pass for as long as it was last allowed to, and not a moment more by itself', async () => {
    const lease = open();
    await lease.start([]);
    expect(await answers(VIP)).toBe(true);
    await lease.watch(VIP);
    expect(await answers(VIP)).toBe(false);
    for (let inTime = 0; inTime < 4;) {
      const from = systemClock.monotonicMs();
      await lease.allow(VIP, 1_500);
      await wait(450);
      const answered = await answers(VIP);
      // Where this process stood still the time may be over; that is no longer what is asked here.
      if (systemClock.monotonicMs() - from > 1_400) continue;
      expect(answered).toBe(true);
      inTime++;
    }
    await eventually('the last one to run out', async () => !(await answers(VIP)));
    await lease.allow(VIP, 60_000);
    await lease.deny(VIP);
    expect(await answers(VIP)).toBe(false);
    await lease.allow(VIP, 60_000);
    await lease.forget(VIP);
    expect(await answers(VIP)).toBe(true);
    expect((await node.processes.run('nft', ['list', 'tables'])).stdout).toBe('');
  });

  check(
    'keeps one address passing while another is added, and blocks all that an earlier life had allowed',
    async () => {
      const lease = open();
      await lease.allow(VIP, 60_000);
      await lease.watch(OTHER);
      expect([await answers(VIP), await answers(OTHER)]).toEqual([true, false]);
      lease.close();
      // What was allowed outlives the agent, and runs out; the next life starts with nothing allowed.
      expect(await answers(VIP)).toBe(true);
      const next = open();
      await next.start([VIP]);
      expect([await answers(VIP), await answers(OTHER)]).toEqual([false, true]);
      await next.forget(VIP);
    },
  );

  check('is set up again after somebody flushed the rules or killed nft', async () => {
    const said: string[] = [];
    const lease = open({ ...silentLog, warn: (_fields: object, message: string) => void said.push(message) });
    await lease.allow(VIP, 60_000);
    await lease.allow(VIP, 60_000);
    await node.processes.run('nft', ['flush', 'ruleset']);
    await lease.deny(VIP);
    expect(await answers(VIP)).toBe(false);
    expect(said).toEqual(['kernel lease is set up again']);
    lease.close();
    await lease.allow(VIP, 60_000);
    expect(await answers(VIP)).toBe(true);
    await lease.forget(VIP);
  });

  check('two agents on one kernel do not take each other’s fence down', async () => {
    const [one, two] = [
      open(),
      new NftLease(
        { clock: systemClock, timers: systemTimers, processes: node.processes, log: silentLog },
        leaseTable('/elsewhere'),
      ),
    ];
    leases.push(two);
    await one.watch(VIP);
    await two.watch(OTHER);
    await two.forget(OTHER);
    expect([await answers(VIP), await answers(OTHER)]).toEqual([false, true]);
    await one.forget(VIP);
  });

  check(
    'does not open again when nft carries out late what it was told, though the agent does nothing more',
    async () => {
      let late = 0;
      const processes: typeof node.processes = {
        ...node.processes,
        openPipe: (command, args, handlers) => {
          const pipe = node.processes.openPipe(command, args, handlers);
          const write = (text: string) => {
            if (!text.includes(`add element inet ${TABLE} h_`)) return pipe.write(text);
            late++;
            systemTimers.after(350, () => pipe.write(text));
          };
          return { ...pipe, write };
        },
      };
      const lease = open(silentLog, processes);
      await lease.watch(VIP);
      const allowed = lease.allow(VIP, 300).catch(() => undefined);
      const opened = async () => (await node.processes.run('nft', ['list', 'table', 'inet', TABLE])).stdout;
      let seen = 0;
      const until = systemClock.monotonicMs() + 1_200;
      while (systemClock.monotonicMs() < until || late === 0) {
        seen += (await opened()).includes(`${VIP} timeout`) ? 1 : 0;
        await wait(10);
      }
      expect(seen).toBe(0);
      await allowed;
      await lease.forget(VIP);
    },
  );

  check('kills an nft that hangs, says that it failed, and leaves the address blocked', async () => {
    let hangs = false;
    const hung = (input?: string, limitMs?: number) =>
      node.processes.run('sh', ['-c', 'kill -STOP $$; exec nft -f -'], input, limitMs);
    const processes: typeof node.processes = {
      ...node.processes,
      run: (command, args, input, limitMs) =>
        hangs ? hung(input, limitMs) : node.processes.run(command, args, input, limitMs),
      openPipe: (command, args, handlers) =>
        hangs ? node.processes.openPipe('false', [], handlers) : node.processes.openPipe(command, args, handlers),
    };
    const lease = open(silentLog, processes);
    await lease.watch(VIP);
    lease.close();
    hangs = true;
    await expect(lease.allow(VIP, 60_000)).rejects.toThrow('nft');
    expect(lease.kind).toBe('none');
    expect((await systemProcesses.run('ip', ['netns', 'pids', node.name])).stdout).toBe('');
    expect(await answers(VIP)).toBe(false);
    hangs = false;
    await lease.allow(VIP, 60_000);
    expect(await answers(VIP)).toBe(true);
    await eventually('what failed to be made good', async () => lease.kind === 'nft');
    await lease.forget(VIP);
  });

  check('leaves no process behind', async () => {
    const lease = open();
    await lease.allow(VIP, 1_000);
    await lease.allow(VIP, 1_000);
    const shells = async () => {
      const { stdout } = await systemProcesses.run('ip', ['netns', 'pids', node.name]);
      return stdout.trim();
    };
    expect(await shells()).not.toBe('');
    lease.close();
    await eventually('nft to end', async () => (await shells()) === '');
    await lease.forget(VIP);
  });
});

describe('where nftables does not work', () => {
  const refusing = (code: number | null, stderr: string): Pick<Processes, 'run' | 'openPipe'> => ({
    run: async () => ({ code, stdout: '', stderr }),
    openPipe: () => {
      throw new Error('not expected');
    },
  });
  it.each([
    ['is not installed', null, 'spawn nft ENOENT'],
    ['is not permitted', 1, 'Error: Could not process rule: Operation not permitted\nadd table …'],
  ])('because it %s, the agent goes on without and says why', async (_, code, stderr) => {
    const said: object[] = [];
    const log = { ...silentLog, warn: (fields: object) => void said.push(fields) };
    const ports = {
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      processes: refusing(code, stderr),
      log,
    };
    const lease = await chooseKernelLease(ports, '/somewhere');
    expect(lease.kind).toBe('none');
    expect(said).toEqual([{ reason: stderr.split('\n')[0] }]);
    await lease.allow(VIP, 1_000);
  });
});
