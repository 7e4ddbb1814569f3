import { systemClock, systemTimers } from '#kernel';
import { sectionHash, type agentV1, type VipItem } from '#proto';
import { systemFiles } from '../adapters/files.js';
import type { Files } from '../ports.js';
import { FakePlatform, item, section } from '../testing/fake-platform.js';
import { eventually, startAgent, temporaryFolder, type RunningAgent } from '../testing/harness.js';
import { makeTestCa } from '../testing/test-ca.js';

const NET = 'sdwan_network-1';
const DEVICE = 'wg-sdwan-abc123';
const ADDRESS = 'fd00:abcd:1::100';
const KEYS = { a: Buffer.alloc(32, 1).toString('base64'), b: Buffer.alloc(32, 2).toString('base64') };

const vip = (epoch: number, holder: 'a' | 'b'): VipItem => ({
  vip_id: 'virtual_ip-1',
  network_id: NET,
  address: ADDRESS,
  epoch,
  holder_peer_id: holder,
  route_peer_id: holder,
  role: 'member',
  release_after_move: false,
  lease: null,
});

const network = (generation: number, item?: VipItem) =>
  section(`network/${NET}`, generation, {
    interface: {
      network_id: NET,
      peer_id: 'me',
      name: DEVICE,
      addresses: ['fd00:abcd:1::1:1/128'],
      listen_port: 51820,
      mtu: 1420,
      forwarding: false,
    },
    ...Object.fromEntries(
      (['a', 'b'] as const).map((id, n) => [
        `peer/${id}`,
        {
          peer_id: id,
          instance_id: null,
          public_key: KEYS[id],
          endpoints: ['[fd99::2]:51820'],
          allowed_ips: [`fd00:abcd:1::1:${n + 2}/128`],
          persistent_keepalive: 25,
        },
      ]),
    ),
    ...(item === undefined ? {} : { [`vip/${item.vip_id}`]: item }),
  });

const prepared = (v: VipItem): Buffer =>
  Buffer.from(JSON.stringify({ item: v, holder_address: 'fd00:abcd:1::1:2', tell: [] }));

/** A disk on which the writes of some files wait. */
const gate = (waits: (path: string) => boolean) => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  let isWriting = false;
  const write: Files['write'] = async (path, ...rest) => {
    if (waits(path)) {
      isWriting = true;
      await opened;
    }
    await systemFiles.write(path, ...rest);
  };
  return { files: { ...systemFiles, write }, isWriting: () => isWriting, open: () => open() };
};

describe('a VIP that moves while what came before is still being carried out', () => {
  let platform: FakePlatform;
  let running: RunningAgent | undefined;
  beforeEach(async () => {
    platform = new FakePlatform(await makeTestCa());
    await platform.start();
  });
  afterEach(async () => {
    await running?.agent.stop(true);
    platform.stop();
  });

  const say = (v: VipItem, readTo?: string) =>
    platform.send({
      $case: 'vip',
      value: { vipId: v.vip_id, epoch: BigInt(v.epoch), body: item({ ...v, read_to: readTo }) },
    });
  const holder = async () => {
    const peers = (await running!.driver.read(DEVICE))?.peers ?? [];
    return peers.filter((peer) => peer.allowedIps.includes(`${ADDRESS}/128`)).map((peer) => peer.publicKey);
  };

  it('stays where it was moved to when the first section of its network is applied, though no further one comes', async () => {
    const key = gate((path) => path.endsWith(`${NET}.key`));
    platform.onHello = (_h, stream) =>
      stream.write({
        message: {
          $case: 'snapshot',
          value: { storeEpoch: 'e1', sections: [network(7, vip(1, 'a'))], unchanged: [], complete: true },
        },
      });
    running = await startAgent(platform, await temporaryFolder(), { ports: { files: key.files } });
    await eventually('the key is being written', () => key.isWriting());
    say(vip(2, 'b'));
    // Answered once what came before it on the stream has been heard.
    const heard = platform.of('hello').length;
    platform.send({
      $case: 'delta',
      value: {
        storeEpoch: 'e1',
        section: 'network/none',
        baseGeneration: 99n,
        generation: 100n,
        hash: sectionHash(new Map()),
        put: {},
        remove: [],
      },
    });
    platform.onHello = () => undefined;
    await eventually('the word after it is heard', () => platform.of('hello').length > heard);
    key.open();
    await eventually('the section is applied', () => platform.of('applied').some((a) => a.generation === 7n));
    expect(platform.of('vipAck').map((ack) => ack.epoch)).not.toContain(1n);
    expect(await holder()).toEqual([KEYS.b]);
  });

  it('stays when a section is applied that was made before there was the VIP, and goes with the next one', async () => {
    const key = gate((path) => path.endsWith(`${NET}.key`));
    const snapshot = (generation: number) => ({
      $case: 'snapshot' as const,
      value: { storeEpoch: 'e1', sections: [network(generation)], unchanged: [], complete: true },
    });
    platform.onHello = (_h, stream) => stream.write({ message: snapshot(7) });
    running = await startAgent(platform, await temporaryFolder(), { ports: { files: key.files } });
    await eventually('the key is being written', () => key.isWriting());
    say(vip(2, 'b'), '9');
    key.open();
    await eventually('the section is applied', () => platform.of('applied').some((a) => a.generation === 7n));
    await eventually('the part is carried out', () => platform.of('vipAck').some((ack) => ack.epoch === 2n));
    expect(await holder()).toEqual([KEYS.b]);
    platform.send(snapshot(10));
    await eventually('the next section is applied', () => platform.of('applied').some((a) => a.generation === 10n));
    expect(await holder()).toEqual([]);
  });

  it('is asked about where no section comes that names it, and goes with the answer', async () => {
    let aheadMs = 0;
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
    const sectionName = `network/${NET}`;
    platform.onHello = (hello, stream) => {
      const isFirst = platform.of('hello').length <= 1;
      const isKnown = hello.sections.some(({ name }) => name === sectionName);
      const sections = isKnown ? [] : [network(isFirst ? 7 : 10)];
      const value = { storeEpoch: 'e1', sections, unchanged: isKnown ? [sectionName] : [], complete: true };
      stream.write({ message: { $case: 'snapshot', value } });
    };
    running = await startAgent(platform, await temporaryFolder(), { ports: { clock } });
    await eventually('the section is applied', () => platform.of('applied').some((a) => a.generation === 7n));
    say(vip(2, 'b'), '9');
    await eventually('the part is carried out', () => platform.of('vipAck').some((ack) => ack.epoch === 2n));
    expect(await holder()).toEqual([KEYS.b]);
    // It is seen to be unnamed at a tick, and asked about at one much later.
    await new Promise<void>((resolve) => systemTimers.after(2_000, resolve));
    aheadMs = 30_000;
    await eventually('the answer is applied', () => platform.of('applied').some((a) => a.generation === 10n));
    expect(await holder()).toEqual([]);
  });

  it('is carried out once the epoch before is on disk', async () => {
    const disk = gate((path) => path.endsWith('vips.json'));
    const value: agentV1.Snapshot = {
      storeEpoch: 'e1',
      sections: [network(7, vip(1, 'a'))],
      unchanged: [],
      complete: true,
    };
    platform.onHello = (_h, stream) => stream.write({ message: { $case: 'snapshot', value } });
    running = await startAgent(platform, await temporaryFolder(), { ports: { files: disk.files } });
    await eventually('the first part is being written', () => disk.isWriting());
    say(vip(2, 'b'));
    platform.send({ $case: 'vipPrepare', value: { vipId: 'virtual_ip-1', epoch: 3n, body: prepared(vip(3, 'a')) } });
    await eventually('the word after it is heard', () => platform.of('vipAck').some((ack) => ack.epoch === 3n));
    disk.open();
    await eventually('the second part is carried out', () => platform.of('vipAck').some((ack) => ack.epoch === 2n));
    expect(await holder()).toEqual([KEYS.b]);
  });

  it('follows a restored platform, whose epochs are lower, and goes back to nothing of before', async () => {
    const snapshot = (storeEpoch: string, generation: number, v: VipItem) => {
      const value: agentV1.Snapshot = { storeEpoch, sections: [network(generation, v)], unchanged: [], complete: true };
      return { $case: 'snapshot' as const, value };
    };
    platform.onHello = (_h, stream) => stream.write({ message: snapshot('e1', 7, vip(5, 'a')) });
    running = await startAgent(platform, await temporaryFolder());
    await eventually('the first ack', () => platform.of('vipAck').some((ack) => ack.epoch === 5n));
    platform.send(snapshot('e2', 3, vip(2, 'b')));
    say(vip(3, 'a'));
    await eventually('the restored word is followed', () => platform.of('vipAck').at(-1)?.epoch === 3n);
    await eventually('its section is applied', () => platform.of('applied').some((a) => a.generation === 3n));
    expect(await holder()).toEqual([KEYS.a]);
  });
});
