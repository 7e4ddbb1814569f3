import { join } from 'node:path';
import { silentLog, systemClock, systemRandom, systemTimers } from '#kernel';
import type { VipItem } from '#proto';
import { systemFiles } from '../adapters/files.js';
import { systemDatagrams } from '../adapters/udp.js';
import type { Files } from '../ports.js';
import { eventually, temporaryFolder } from '../testing/harness.js';
import { LeaseRunner } from './lease-runner.js';
import type { LeaseEffect } from './lease.js';
import { encodeLease, LEASE_PORT } from './wire.js';

const NODES = ['a', 'b', 'c'];
const address = (peer: string) => `127.0.77.${NODES.indexOf(peer) + 1}`;
const vip = (self: string, holder: string, epoch: number): VipItem => ({
  vip_id: 'v',
  network_id: 'n',
  address: 'fd00::100',
  epoch,
  holder_peer_id: holder,
  route_peer_id: null,
  role: self === holder ? 'holder' : 'candidate',
  release_after_move: false,
  lease: {
    beat_ms: 100,
    ttl_ms: 300,
    platform_votes: false,
    voters: NODES.map((peer_id) => ({ peer_id, address: address(peer_id) })),
  },
});

describe('leases over real datagrams on three addresses', () => {
  let runners: LeaseRunner[] = [];
  let heard: string[];
  let promises: Extract<LeaseEffect, { kind: 'promise' }>[];

  const make = async (peer: string, files: Files = systemFiles): Promise<LeaseRunner> => {
    const say = (what: string) => void heard.push(`${peer} ${what}`);
    const ports = {
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      files,
      datagrams: systemDatagrams,
      log: silentLog,
    };
    const runner = new LeaseRunner(ports, join(await temporaryFolder(), 'promises.json'), {
      hold: (_v, epoch) => say(`holds ${epoch}`),
      extend: () => undefined,
      drop: (_v, epoch) => say(`drops ${epoch}`),
      platformBeat: () => undefined,
      promise: (_v, promise) => void promises.push(promise),
      handover: () => undefined,
    });
    await runner.load();
    runners.push(runner);
    return runner;
  };
  beforeEach(() => {
    runners = [];
    heard = [];
    promises = [];
  });
  afterEach(() => {
    for (const runner of runners) runner.close();
  });

  it('lets a majority hold, moves on a higher epoch, and lapses when the voters are gone', async () => {
    const [a, b, c] = [await make('a'), await make('b'), await make('c')];
    for (const [i, runner] of [a, b, c].entries()) runner.configure(vip(NODES[i]!, 'a', 1), NODES[i]!);
    await eventually('a to hold', () => heard.includes('a holds 1'));
    expect(a.holds(vip('a', 'a', 1))).toBe(true);
    for (const [i, runner] of [a, b, c].entries()) runner.configure(vip(NODES[i]!, 'b', 2), NODES[i]!);
    await eventually('b to hold', () => heard.includes('b holds 2'));
    await eventually('a to drop', () => heard.includes('a drops 1'));
    a.close();
    c.close();
    await eventually('b to drop', () => heard.includes('b drops 2'));
    expect(b.holds(vip('b', 'b', 2))).toBe(false);
  });

  it('takes no notice of what comes from another port of a voter’s address', async () => {
    const b = await make('b');
    b.configure(vip('b', 'a', 1), 'b');
    const forged = encodeLease('v', { kind: 'beat', epoch: 5, seq: 1 });
    const heardBack: string[] = [];
    const bind = (port: number) =>
      systemDatagrams.bind(address('a'), port, (bytes) => void heardBack.push(Buffer.from(bytes).toString()));
    const pod = await bind(LEASE_PORT + 1);
    for (let n = 0; n < 5; n++) {
      pod.send(address('b'), LEASE_PORT, forged);
      await new Promise<void>((resolve) => systemTimers.after(50, resolve));
    }
    pod.close();
    expect(heardBack).toEqual([]);
    b.voteRequest('v', 2, 'the question');
    await eventually('b to answer', () => promises.length > 0);
    expect(promises[0]).toMatchObject({ granted: true, promisedEpoch: 2, question: 'the question' });
    const agent = await bind(LEASE_PORT);
    agent.send(address('b'), LEASE_PORT, forged);
    await eventually('b to confirm to the agent itself', () => heardBack.length > 0);
    agent.close();
  });

  it('as the only candidate left waits for what it granted to the one before, and then holds by itself', async () => {
    const [a, b, c] = [await make('a'), await make('b'), await make('c')];
    for (const [i, runner] of [a, b, c].entries()) runner.configure(vip(NODES[i]!, 'a', 1), NODES[i]!);
    await eventually('a to hold', () => heard.includes('a holds 1'));
    a.close();
    const alone = { ...vip('b', 'b', 2), lease: null };
    const from = systemClock.monotonicMs();
    b.configure(alone, 'b');
    b.configure(alone, 'b');
    expect(b.holds(alone)).toBe(false);
    expect(heard).not.toContain('b holds 2');
    await eventually('b to hold', () => heard.includes('b holds 2'));
    expect(b.holds(alone)).toBe(true);
    // The last beat may have been up to a beat (100 ms) old; what it was granted runs 300 ms from there.
    expect(systemClock.monotonicMs() - from).toBeGreaterThan(50);
    expect(heard.filter((line) => line === 'b holds 2')).toHaveLength(1);
    const fresh = await make('c');
    fresh.configure({ ...vip('c', 'c', 1), lease: null }, 'c');
    expect(fresh.holds({ ...vip('c', 'c', 1), lease: null })).toBe(true);
  });

  it('holds only once its own vote is on disk as well, where the others’ votes alone are no majority', async () => {
    let write: () => void = () => undefined;
    const written = new Promise<void>((resolve) => (write = resolve));
    const slow: Files = {
      ...systemFiles,
      write: async (path, data, mode) => {
        await written;
        await systemFiles.write(path, data, mode);
      },
    };
    const [a, b] = [await make('a', slow), await make('b')];
    for (const [i, runner] of [a, b].entries()) runner.configure(vip(NODES[i]!, 'a', 1), NODES[i]!);
    await new Promise<void>((resolve) => systemTimers.after(400, resolve));
    expect(heard).toEqual([]);
    write();
    await eventually('a to hold', () => heard.includes('a holds 1'));
  });

  it('confirms nothing and promises nothing that it could not write down', async () => {
    const broken: Files = { ...systemFiles, write: () => Promise.reject(new Error('disk full')) };
    const a = await make('a');
    const voters = [await make('b', broken), await make('c', broken)];
    a.configure(vip('a', 'a', 1), 'a');
    for (const [i, voter] of voters.entries()) voter.configure(vip(NODES[i + 1]!, 'a', 1), NODES[i + 1]!);
    voters[0]!.voteRequest('v', 5);
    await new Promise<void>((resolve) => systemTimers.after(800, resolve));
    expect(heard).toEqual([]);
    expect(promises).toEqual([]);
  });
});
