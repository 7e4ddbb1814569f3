import { randomBytes } from 'node:crypto';
import { silentLog, systemClock, systemRandom, systemTimers } from '#kernel';
import { systemNames } from '../adapters/names.js';
import { systemFiles } from '../adapters/files.js';
import type { ComposedInterface } from '../network/compose.js';
import { HostNames } from '../network/host-names.js';
import { InterfaceReconciler } from '../network/interface-reconciler.js';
import { IpRoute } from '../network/iproute.js';
import { eventually, temporaryFolder } from '../testing/harness.js';
import { makeNetwork, missingForReal, realOrExplain, type Netns } from '../testing/netns.js';
import { wgDiff, type DesiredWg } from './diff.js';
import type { WireGuardDriver } from './driver.js';
import { newPrivateKey, publicKeyOf } from './keys.js';
import { MemoryWireGuardDriver } from './memory-driver.js';
import { ToolDriver } from './tool-driver.js';
import { UapiDriver } from './uapi-driver.js';
import { WireGuardGo } from './wireguard-go.js';

const unique = () => `wgt${randomBytes(5).toString('hex')}`;
const own = newPrivateKey(systemRandom);
const [a, b] = [publicKeyOf(newPrivateKey(systemRandom)), publicKeyOf(newPrivateKey(systemRandom))];
const VIP = 'fd00:abcd:1::100/128';
const desired = (vipAt: 'a' | 'b' | undefined, peers: readonly ('a' | 'b')[] = ['a', 'b']): DesiredWg => ({
  privateKey: own,
  publicKey: publicKeyOf(own),
  listenPort: 40_000 + (process.pid % 20_000),
  peers: peers.map((name) => ({
    publicKey: name === 'a' ? a : b,
    endpoint: `[fd99::${name === 'a' ? 2 : 3}]:51820`,
    allowedIps: [
      `10.42.${name === 'a' ? 1 : 2}.0/24`,
      ...(vipAt === name ? [VIP] : []),
      `fd00:abcd:1::1:${name === 'a' ? 2 : 3}/128`,
    ],
    keepalive: 25,
  })),
});

interface Subject {
  readonly driver: WireGuardDriver;
  close(): Promise<void>;
}

/** What every WireGuard driver must do, whatever is behind it. */
const contract = (kind: string, make: (name: string) => Promise<Subject | undefined>) => {
  describe(`a WireGuard driver (${kind})`, () => {
    const name = unique();
    let subject: Subject | undefined;
    beforeAll(async () => {
      subject = await make(name);
      await subject?.driver.ensure(name);
    });
    afterAll(() => subject?.close());
    const bring = async (to: DesiredWg) => {
      const driver = subject!.driver;
      const change = wgDiff(to, (await driver.read(name))!);
      if (change !== undefined) await driver.write(name, change);
      const after = (await driver.read(name))!;
      expect(wgDiff(to, after)).toBeUndefined();
      return { change, after };
    };
    const check = (title: string, run: () => Promise<void>) =>
      it(title, async () => {
        if (subject !== undefined) await run();
      });

    check('has nothing at first, and reads back what was written', async () => {
      expect(await subject!.driver.read(name)).toMatchObject({ publicKey: '', peers: [] });
      const { after } = await bring(desired('a'));
      expect(after.publicKey).toBe(publicKeyOf(own));
      expect(JSON.stringify(after)).not.toContain(own);
      expect(after.peers.map((p) => p.keepalive)).toEqual([25, 25]);
    });
    check('moves a prefix to another peer in one write that touches only the new owner', async () => {
      await bring(desired('a'));
      const { change, after } = await bring(desired('b'));
      expect(change?.peers.map((p) => p.publicKey)).toEqual([b]);
      const owners = after.peers.filter((p) => p.allowedIps.includes(VIP)).map((p) => p.publicKey);
      expect(owners).toEqual([b]);
    });
    check('takes a prefix away that nobody else gets', async () => {
      await bring(desired('b'));
      const { after } = await bring(desired(undefined));
      expect(after.peers.some((p) => p.allowedIps.includes(VIP))).toBe(false);
    });
    check('removes a peer and gives its prefix to another in the same write', async () => {
      await bring(desired('a'));
      const { after } = await bring(desired('b', ['b']));
      expect(after.peers.map((p) => p.publicKey)).toEqual([b]);
      expect(after.peers[0]?.allowedIps).toContain(VIP);
    });
    check('does not exist after it was removed', async () => {
      await subject!.driver.remove(name);
      await eventually('the interface to be gone', async () => (await subject!.driver.read(name)) === undefined);
    });
  });
};

const daemon = async (processes: Netns['processes']) =>
  new WireGuardGo({ files: systemFiles, processes, timers: systemTimers, log: silentLog }, await temporaryFolder());

contract('memory', async () => ({ driver: new MemoryWireGuardDriver(), close: async () => undefined }));

contract('uapi: real wireguard-go', async (name) => {
  if (!realOrExplain(await missingForReal(), 'the UAPI driver with wireguard-go')) return undefined;
  const { nodes, remove } = await makeNetwork(1);
  const go = await daemon(nodes[0]!.processes);
  return { driver: new UapiDriver(go), close: async () => (await go.stop(name), remove()) };
});

contract('wg and ip: the real wg on a real wireguard-go', async (name) => {
  if (!realOrExplain(await missingForReal(), 'the wg/ip driver')) return undefined;
  const { nodes, remove } = await makeNetwork(1);
  const { processes } = nodes[0]!;
  const go = await daemon(processes);
  const socket = new UapiDriver(go);
  await socket.ensure(name);
  return {
    driver: new ToolDriver(processes, systemFiles, await temporaryFolder()),
    close: async () => (await go.stop(name), remove()),
  };
});

describe('two nodes over real wireguard-go', () => {
  it('reach each other, and again after wireguard-go was killed', async () => {
    if (!realOrExplain(await missingForReal(), 'an overlay over wireguard-go')) return;
    const { nodes, remove } = await makeNetwork(2);
    const keys = nodes
      .map(() => newPrivateKey(systemRandom))
      .map((privateKey) => ({ privateKey, publicKey: publicKeyOf(privateKey) }));
    const names = nodes.map(unique);
    const daemons = await Promise.all(nodes.map((n) => daemon(n.processes)));
    const apply = nodes.map((n, i) => {
      const reconciler = new InterfaceReconciler(
        new UapiDriver(daemons[i]!),
        new IpRoute(n.processes, systemFiles, silentLog),
        systemClock,
        silentLog,
        new HostNames(systemNames, systemClock, silentLog),
      );
      const other = 1 - i;
      const composed: ComposedInterface = {
        networkId: 'n',
        name: names[i]!,
        listenPort: 51820,
        mtu: 1420,
        forwarding: true,
        // The second and third are what a CNI would have on a bridge of its own.
        addresses: [
          `100.64.0.${i + 1}/32`,
          `10.42.${i}.7/32`,
          `fd42:0:0:${i + 1}::7/128`,
          `fd00:abcd:1::1:${i + 1}/128`,
        ],
        vipAddresses: i === 0 ? [VIP] : [],
        keepAddresses: [],
        deviceRoutes: ['100.64.0.0/20', 'fd00:abcd:1::/64', `10.42.${other}.0/24`, `fd42:0:0:${other + 1}::/64`],
        unreachable: ['fd00:abcd:1::200/128'],
        peers: [
          {
            peerId: `p${other}`,
            publicKey: keys[other]!.publicKey,
            endpoints: [`[fd99::${other + 1}]:51820`],
            keepalive: 25,
            allowedIps: [
              `100.64.0.${other + 1}/32`,
              `10.42.${other}.0/24`,
              `fd42:0:0:${other + 1}::/64`,
              ...(other === 0 ? [VIP] : []),
              `fd00:abcd:1::1:${other + 1}/128`,
            ].sort(),
          },
        ],
      };
      return () => reconciler.full(() => composed, keys[i]!);
    });
    const ping = async (to: string) => (await nodes[1]!.processes.run('ping', ['-n', '-c1', '-W2', to])).code === 0;
    try {
      expect(await Promise.all(apply.map((run) => run()))).toEqual([[], []]);
      for (const to of ['fd00:abcd:1::1:1', '100.64.0.1', 'fd00:abcd:1::100'])
        await eventually(`${to} to answer`, () => ping(to));
      // From pod to pod, in both families, and through the tunnel: WireGuard counts what passes through it.
      for (const [from, to] of [
        ['10.42.1.7', '10.42.0.7'],
        ['fd42:0:0:2::7', 'fd42:0:0:1::7'],
      ] as const) {
        const counted = async () => (await new UapiDriver(daemons[0]!).read(names[0]!))!.peers[0]!.rxBytes!;
        const before = await counted();
        const args = ['-n', '-c2', '-i', '0.1', '-W2', '-s', '500', '-I', from, to];
        expect([to, (await nodes[1]!.processes.run('ping', args)).code]).toEqual([to, 0]);
        expect((await counted()) - before).toBeGreaterThan(1_000);
      }
      const blocked = await nodes[1]!.processes.run('ping', ['-n', '-c1', '-W2', 'fd00:abcd:1::200']);
      expect(blocked.code).not.toBe(0);
      nodes[1]!.processes.kill((await daemons[1]!.pid(names[1]!))!, 'SIGKILL');
      await eventually('the interface to be gone', async () => (await daemons[1]!.pid(names[1]!)) === undefined);
      expect(await apply[1]!()).toEqual([]);
      await eventually('the VIP to answer again', () => ping('fd00:abcd:1::100'));
      // Nothing left to do: a second round must not find a difference.
      expect(await apply[1]!()).toEqual([]);
    } finally {
      await Promise.all(daemons.map((d, i) => d.stop(names[i]!)));
      await remove();
    }
  });
});
