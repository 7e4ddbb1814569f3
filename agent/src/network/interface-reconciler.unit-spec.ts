import { ManualClock, silentLog, systemRandom } from '#kernel';
import { newPrivateKey, publicKeyOf } from '../wireguard/keys.js';
import { MemoryWireGuardDriver } from '../wireguard/memory-driver.js';
import type { ComposedInterface, ComposedPeer } from './compose.js';
import { HostNames } from './host-names.js';
import { InterfaceReconciler } from './interface-reconciler.js';
import { MemoryLinkOps } from './memory-link-ops.js';

const privateKey = newPrivateKey(systemRandom);
const keys = { privateKey, publicKey: publicKeyOf(privateKey) };
const [LISTED, ROAMED] = ['10.0.0.7:51820', '203.0.113.9:40001'];
const SECOND = '10.0.0.8:51820';

const setUp = () => {
  const clock = new ManualClock();
  const driver = new MemoryWireGuardDriver();
  const names = new HostNames({ lookup: async () => [] }, clock, silentLog);
  const reconciler = new InterfaceReconciler(driver, new MemoryLinkOps(), clock, silentLog, names);
  const peer = (more: Partial<ComposedPeer> = {}): ComposedPeer => ({
    ...{ peerId: 'p', publicKey: 'k', endpoints: [LISTED], allowedIps: ['fd00::1/128'], keepalive: 25 },
    ...more,
  });
  const composed = (peers: readonly ComposedPeer[]): ComposedInterface => ({
    ...{ networkId: 'n', name: 'wg', listenPort: 51_820, mtu: 1_420, forwarding: false },
    ...{ addresses: ['fd00::2/128'], vipAddresses: [], keepAddresses: [], deviceRoutes: [], unreachable: [] },
    peers,
  });
  const known = async () => (await driver.read('wg'))!.peers[0]!;
  const full = (peers: readonly ComposedPeer[]) => reconciler.full(() => composed(peers), keys);
  const quick = (peers: readonly ComposedPeer[]) => reconciler.quick(composed(peers), keys);
  /** WireGuard follows its packets; nobody has looked since. */
  const roams = () => driver.write('wg', { peers: [{ publicKey: 'k', endpoint: ROAMED }] });
  return { clock, driver, peer, full, quick, known, roams };
};

describe('a quick change of a peer', () => {
  it('leaves its endpoint to WireGuard, which may have followed it since anybody looked', async () => {
    const { clock, peer, full, quick, known, roams } = setUp();
    expect(await full([peer()])).toEqual([]);
    expect((await known()).endpoint).toBe(LISTED);
    await roams();
    await clock.advance(15_000);
    const gained = ['fd00::1/128', '10.42.1.0/24'];
    expect(await quick([peer({ allowedIps: gained, endpoints: [LISTED, '10.0.0.8:51820'] })])).toBe(true);
    expect(await known()).toMatchObject({ endpoint: ROAMED, allowedIps: gained });
  });

  it('gives a new peer its endpoint at once, and has one that had none looked at whole', async () => {
    const { peer, full, quick, known } = setUp();
    await full([]);
    expect(await quick([peer()])).toBe(true);
    expect((await known()).endpoint).toBe(LISTED);
    expect(await quick([peer({ allowedIps: ['fd00::9/128'] })])).toBe(true);
    const other = setUp();
    await other.full([other.peer({ endpoints: [] })]);
    expect(await other.quick([other.peer()])).toBe(false);
    expect(await other.full([other.peer()])).toEqual([]);
    expect((await other.known()).endpoint).toBe(LISTED);
  });
});

describe('a peer that is gone', () => {
  it.each(['full', 'quick'] as const)(
    'leaves nothing behind after a %s look: with its key it begins anew',
    async (how) => {
      const { clock, peer, known, ...look } = setUp();
      const endpoints = [LISTED, SECOND];
      await look.full([peer({ endpoints })]);
      await clock.advance(15_000);
      await look.full([peer({ endpoints })]);
      expect((await known()).endpoint).toBe(SECOND);
      await look[how]([]);
      await look.full([peer({ endpoints })]);
      expect((await known()).endpoint).toBe(LISTED);
    },
  );
});
