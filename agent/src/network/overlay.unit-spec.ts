import { ManualClock, silentLog } from '#kernel';
import type { agentV1, FirewallItem, VipItem } from '#proto';
import { noKernelLease } from '../lease/kernel-lease.js';
import type { Files } from '../ports.js';
import { peer, PEER_A, PEER_B, vip } from '../testing/agent-sections.js';
import { realPorts } from '../testing/harness.js';
import { MemoryWireGuardDriver } from '../wireguard/memory-driver.js';
import { MemoryLinkOps } from './memory-link-ops.js';
import { Overlay } from './overlay.js';

const STANDBY = 'sdwan_network-standby';
const PLAIN = 'sdwan_network-plain';
const VIP = 'fd00:abcd:1::100';
const deviceOf = (network: string) => `wg-${network.slice('sdwan_network-'.length)}`;
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

const candidate: VipItem = vip(1, {
  network_id: STANDBY,
  role: 'candidate',
  lease: {
    beat_ms: 200,
    ttl_ms: 600,
    voters: [
      { peer_id: 'me', address: 'fd00:abcd:1::1:1' },
      { peer_id: 'a', address: 'fd00:abcd:1::1:2' },
      { peer_id: 'b', address: 'fd00:abcd:1::1:3' },
    ],
    platform_votes: false,
  },
});
const closed: FirewallItem = {
  rule_id: 'r0',
  order: 0,
  action: 'drop',
  direction: 'ingress',
  protocol: 'tcp',
  ports: [7000, 7000],
  source: null,
  destination: null,
};

/** A node with nothing real about it: two peers in each network, and an nft that keeps tables or is broken. */
const setUp = async () => {
  const clock = new ManualClock();
  const driver = new MemoryWireGuardDriver();
  const disk = new Map<string, Buffer>();
  const files = {
    read: async (path) => disk.get(path),
    write: async (path, data) => void disk.set(path, Buffer.from(data as string)),
    remove: async (path) => void disk.delete(path),
  } satisfies Partial<Files>;
  const nft = { tables: new Map<string, string>(), broken: false };
  const run = async (_: string, args: readonly string[], input?: string | Buffer) => {
    if (nft.broken) return { code: 1, stdout: '', stderr: 'no nftables here' };
    const script = String(input ?? '');
    if (args[0] === '-f') nft.tables.set(/table inet (\S+) \{/.exec(script)![1]!, script);
    const table = nft.tables.get(args.at(-1)!);
    return { code: args[0] === '-f' || table !== undefined ? 0 : 1, stdout: table ?? '', stderr: '' };
  };
  const real = realPorts(silentLog);
  const sent: agentV1.SyncRequest['message'][] = [];
  const asked: string[] = [];
  const links = new MemoryLinkOps();
  const overlay = new Overlay({
    ports: {
      ...real,
      ...{ clock, timers: clock, files: { ...real.files, ...files }, processes: { ...real.processes, run } },
      datagrams: {
        reaches: async () => false,
        bind: async () => ({ send: () => undefined, close: () => undefined }),
      },
    },
    ...{ driver, links, fence: noKernelLease, stateDir: '/state' },
    send: ({ message }) => void sent.push(message),
    askAnew: (section) => void asked.push(section),
  });
  await overlay.start();
  let generation = 0n;
  const apply = (network: string, more: Readonly<Record<string, unknown>> = {}, at?: bigint) => {
    const items = {
      interface: {
        ...{ network_id: network, peer_id: 'me', name: deviceOf(network), listen_port: 51820, mtu: 1420 },
        ...{ addresses: ['fd00:abcd:1::1:1/128'], forwarding: false },
      },
      'peer/a': peer('a', PEER_A, 'fd00:abcd:1::1:2/128'),
      'peer/b': peer('b', PEER_B, 'fd00:abcd:1::1:3/128'),
      ...more,
    };
    const encoded = new Map(Object.entries(items).map(([key, value]) => [key, bytes(value)]));
    return overlay.apply(`network/${network}`, encoded, '', at ?? ++generation);
  };
  /** `wg set DEVICE peer A allowed-ips 192.0.2.1/32` */
  const misroute = (network: string) =>
    driver.write(deviceOf(network), {
      peers: [{ publicKey: PEER_A, replace: true, allowedIps: ['192.0.2.1/32'] }],
    });
  const prefixes = async (network: string) =>
    (await driver.read(deviceOf(network)))?.peers.find(({ publicKey }) => publicKey === PEER_A)?.allowedIps.toSorted();
  const repaired = () =>
    sent.flatMap((message) =>
      message?.$case === 'driftRepaired' ? [[message.value.networkId, message.value.what]] : [],
    );
  return { overlay, clock, nft, links, asked, apply, misroute, prefixes, repaired };
};

describe('what somebody else changed on a node', () => {
  it('is found and put right within a second where the node is a candidate for a VIP, and within five elsewhere', async () => {
    const { overlay, clock, apply, misroute, prefixes, repaired } = await setUp();
    expect(await apply(STANDBY, { 'vip/virtual_ip-1': candidate })).toEqual([]);
    expect(await apply(PLAIN, {})).toEqual([]);
    const [atStandby, atPlain] = [await prefixes(STANDBY), await prefixes(PLAIN)];
    expect(atStandby).toEqual([`${VIP}/128`, 'fd00:abcd:1::1:2/128'].toSorted());
    // Whenever it happens between two looks, and again once it was repaired.
    for (const betweenMs of [1, 500, 999]) {
      await clock.advance(5_000 + betweenMs);
      const before = repaired().length;
      await misroute(STANDBY);
      await misroute(PLAIN);
      expect(await prefixes(STANDBY)).toEqual(['192.0.2.1/32']);
      await clock.advance(1_000);
      expect(await prefixes(STANDBY)).toEqual(atStandby);
      await clock.advance(4_000);
      expect(await prefixes(PLAIN)).toEqual(atPlain);
      expect(repaired().slice(before).toSorted()).toEqual([
        [PLAIN, ['peers']],
        [STANDBY, ['peers']],
      ]);
    }
    overlay.stop();
  });
});

describe('a firewall that somebody else changed', () => {
  it('is written again within a second where the node is a candidate for a VIP, and within five elsewhere', async () => {
    const { overlay, clock, nft, apply, repaired } = await setUp();
    await apply(STANDBY, { 'vip/virtual_ip-1': candidate, 'firewall/r0': closed });
    await apply(PLAIN, { 'firewall/r0': closed });
    const tables = ['drover_wg_standby', 'drover_wg_plain'] as const;
    const [atStandby, atPlain] = tables.map((table) => nft.tables.get(table)!);
    for (const betweenMs of [1, 500, 999]) {
      await clock.advance(10_000 + betweenMs);
      const before = repaired().length;
      for (const table of tables) nft.tables.set(table, `table inet ${table} { }`);
      await clock.advance(1_000);
      expect(nft.tables.get(tables[0])).toBe(atStandby);
      await clock.advance(4_000);
      expect(nft.tables.get(tables[1])).toBe(atPlain);
      expect(repaired().slice(before).toSorted()).toEqual([
        [PLAIN, ['firewall']],
        [STANDBY, ['firewall']],
      ]);
    }
    overlay.stop();
  });
});

describe('a VIP that was given, moved here and released before any section named it', () => {
  it('is asked about, and goes with the answer although nothing else has changed', async () => {
    const { overlay, clock, links, asked, apply } = await setUp();
    await apply(PLAIN);
    await apply(STANDBY);
    const held = { ...vip(2, { network_id: PLAIN, role: 'holder', holder_peer_id: 'me', route_peer_id: null }) };
    const say = (item: VipItem, read_to: string) =>
      overlay.vips.message({ vipId: item.vip_id, epoch: BigInt(item.epoch), body: bytes({ ...item, read_to }) });
    say(held, '90');
    await clock.advance(5_000);
    const addresses = async () => (await links.read(deviceOf(PLAIN)))?.addresses;
    expect(await addresses()).toContain(`${VIP}/128`);
    expect(asked).toEqual([]);
    await clock.advance(20_000);
    expect(asked).toEqual([`network/${PLAIN}`]);
    // A platform that reads its log slowly may not know of it yet.
    await apply(PLAIN);
    expect(await addresses()).toContain(`${VIP}/128`);
    await clock.advance(70_000);
    expect(asked).toEqual([`network/${PLAIN}`, `network/${PLAIN}`]);
    await apply(PLAIN, {}, 91n);
    expect(await addresses()).not.toContain(`${VIP}/128`);
    await clock.advance(200_000);
    expect(asked).toHaveLength(2);
    overlay.stop();
  });

  it('is not asked about when a section has named it meanwhile', async () => {
    const { overlay, clock, asked, apply } = await setUp();
    await apply(STANDBY);
    overlay.vips.message({ vipId: candidate.vip_id, epoch: 1n, body: bytes({ ...candidate, read_to: '90' }) });
    await clock.advance(5_000);
    await apply(STANDBY, { 'vip/virtual_ip-1': candidate });
    await clock.advance(200_000);
    expect(asked).toEqual([]);
    overlay.stop();
  });
});

describe('a firewall that cannot be written', () => {
  it('keeps the interface down until its rules stand', async () => {
    const { overlay, clock, nft, apply, prefixes } = await setUp();
    nft.broken = true;
    expect(await apply(PLAIN, { 'firewall/r0': closed })).toEqual(['firewall: nft: no nftables here']);
    await clock.advance(3_000);
    expect(await prefixes(PLAIN)).toBeUndefined();
    nft.broken = false;
    await clock.advance(1_000);
    expect(nft.tables.get('drover_wg_plain')).toContain('tcp dport 7000-7000 counter drop');
    expect(await prefixes(PLAIN)).toEqual(['fd00:abcd:1::1:2/128']);
    overlay.stop();
  });

  it('takes none of the new rules when one cannot be understood: it could be the one that drops', async () => {
    const { overlay, nft, apply, prefixes } = await setUp();
    const odd = { 'firewall/r0': { ...closed, action: 'accept' }, 'firewall/r1': { ...closed, action: 'maybe' } };
    const none = 'firewall: a rule cannot be understood, so none of the new ones is taken';
    expect(await apply(PLAIN, odd)).toContain(none);
    expect(await prefixes(PLAIN)).toBeUndefined();
    expect(await apply(PLAIN, { 'firewall/r0': closed })).toEqual([]);
    const before = nft.tables.get('drover_wg_plain');
    expect(await apply(PLAIN, odd)).toContain(none);
    expect(nft.tables.get('drover_wg_plain')).toBe(before);
    expect(await prefixes(PLAIN)).toBeDefined();
    overlay.stop();
  });
});
