import 'reflect-metadata';
import { status } from '@grpc/grpc-js';
import { agentV1, sectionHash, type VipItem } from '#proto';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { systemFiles } from './adapters/files.js';
import type { Files } from './ports.js';
import { NET, network, PEER_B, snapshot, vip } from './testing/agent-sections.js';
import { FakePlatform, item } from './testing/fake-platform.js';
import { eventually, startAgent, temporaryFolder, type RunningAgent } from './testing/harness.js';
import { makeTestCa, type TestCa } from './testing/test-ca.js';

describe('the agent against a platform on real sockets', () => {
  let ca: TestCa;
  let platform: FakePlatform;
  let stateDir: string;
  let running: RunningAgent | undefined;

  beforeAll(async () => {
    ca = await makeTestCa();
  });
  beforeEach(async () => {
    platform = new FakePlatform(ca);
    await platform.start();
    stateDir = await temporaryFolder();
  });
  afterEach(async () => {
    await running?.agent.stop(true);
    running = undefined;
    platform.stop();
  });

  it('enrols, applies a snapshot and sends receipts and its public key', async () => {
    platform.onHello = (_h, s) => s.write({ message: snapshot([network(7)]) });
    running = await startAgent(platform, stateDir);
    await eventually('a receipt', () => platform.of('applied').length > 0);
    expect(platform.of('applied')[0]).toMatchObject({ section: `network/${NET}`, generation: 7n, errors: [] });
    await eventually('the key', () => platform.of('peerKey').length > 0);
    const state = await running.driver.read('wg-sdwan-abc123');
    expect(state?.publicKey).toBe(platform.of('peerKey')[0]?.publicKey);
    expect(state?.peers.map((p) => p.allowedIps)).toEqual([['fd00:abcd:1::1:2/128'], ['fd00:abcd:1::1:3/128']]);
    expect(running.links.addresses('wg-sdwan-abc123')).toEqual(['100.64.0.1/32', 'fd00:abcd:1::1:1/128']);
    expect(running.links.forwarding).toBe(true);
  });

  it('repeats a lost enrolment answer with the same key', async () => {
    platform.enrollFailure = { code: status.UNAVAILABLE, details: 'try again' };
    const started = startAgent(platform, stateDir);
    await eventually('two attempts', () => platform.enrolments.length >= 2);
    platform.enrollFailure = undefined;
    running = await started;
    const keys = platform.enrolments.map((e) =>
      new Pkcs10CertificateRequest(new Uint8Array(e.csrDer)).publicKey.toString('hex'),
    );
    expect(new Set(keys).size).toBe(1);
    expect(await readdir(stateDir)).not.toContain('pending-key.pem');
  });

  it('gives up on a token that is refused and says why', async () => {
    platform.enrollFailure = { code: status.PERMISSION_DENIED, details: 'join_token_used: the token was used before' };
    await expect(startAgent(platform, stateDir)).rejects.toThrow(/join_token_used/);
    expect(platform.enrolments).toHaveLength(1);
  });

  it('does not send the token to a server that lacks the pinned CA', async () => {
    const other = new FakePlatform(await makeTestCa());
    await other.start();
    const fooled = Object.assign(Object.create(other) as FakePlatform, { ca });
    await expect(startAgent(fooled, stateDir)).rejects.toThrow(/CA_PIN_MISMATCH/);
    expect(other.enrolments).toHaveLength(0);
    other.stop();
  });

  it('asks anew for a section when a delta has another base or another hash', async () => {
    platform.onHello = (hello, s) => {
      if (!hello.sections.some((x) => x.name === `network/${NET}`)) s.write({ message: snapshot([network(7)]) });
    };
    running = await startAgent(platform, stateDir);
    await eventually('a receipt', () => platform.of('applied').length === 1);
    const delta = (base: bigint, hash: string): agentV1.SyncResponse['message'] & object => ({
      $case: 'delta',
      value: {
        storeEpoch: 'e1',
        section: `network/${NET}`,
        baseGeneration: base,
        generation: 8n,
        hash,
        put: {},
        remove: ['peer/b'],
      },
    });
    platform.send(delta(3n, ''));
    await eventually('a second hello', () => platform.of('hello').length === 2);
    await eventually('the whole section again', () => platform.of('applied').length === 2);
    platform.send(delta(7n, 'wrong'));
    await eventually('a third hello', () => platform.of('hello').length === 3);
    await eventually('the section once more', () => platform.of('applied').length === 3);
    const items = new Map(Object.entries(network(7).items));
    items.delete('peer/b');
    platform.send(delta(7n, sectionHash(items)));
    await eventually('the delta', () => platform.of('applied').at(-1)?.generation === 8n);
    expect((await running.driver.read('wg-sdwan-abc123'))?.peers).toHaveLength(1);
  });

  it('converges from its cache while the platform is away, and comes back with its hashes', async () => {
    platform.onHello = (hello, s) => {
      if (hello.sections.length === 0) s.write({ message: snapshot([network(7)]) });
    };
    running = await startAgent(platform, stateDir);
    await eventually('a receipt', () => platform.of('applied').length === 1);
    await running.agent.stop(false);
    platform.stop();
    running = await startAgent(platform, stateDir);
    await eventually('the peers', async () => (await running!.driver.read('wg-sdwan-abc123'))?.peers.length === 2);
    await platform.start();
    await eventually('the second hello', () => platform.of('hello').length === 2);
    const [first, second] = platform.of('hello');
    expect(second?.sections[0]).toMatchObject({ name: `network/${NET}`, generation: 7n });
    expect(second!.startCounter).toBeGreaterThan(first!.startCounter);
  });

  it('knows after a stop what it was told last, also where there was no room for it until then', async () => {
    platform.onHello = (_h, s) => s.write({ message: snapshot([network(7)]) });
    let isFull = true;
    const files: Files = {
      ...systemFiles,
      write: async (path, data, mode) => {
        if (isFull && path.endsWith('desired.json')) throw new Error('ENOSPC: no space left on device');
        return systemFiles.write(path, data, mode);
      },
    };
    running = await startAgent(platform, stateDir, { ports: { files } });
    await eventually('a receipt', () => platform.of('applied').length > 0);
    isFull = false;
    await running.agent.stop(false);
    platform.stop();
    running = await startAgent(platform, stateDir);
    await eventually('the peers', async () => (await running!.driver.read('wg-sdwan-abc123'))?.peers.length === 2);
  });

  it('moves a VIP in one write, resets connections, and ignores a stale message', async () => {
    platform.onHello = (_h, s) => s.write({ message: snapshot([network(7, [vip(1, {})])]) });
    running = await startAgent(platform, stateDir);
    await eventually('the first ack', () => platform.of('vipAck').length === 1);
    running.driver.writes.length = 0;
    const body = (v: VipItem): agentV1.SyncResponse['message'] & object => ({
      $case: 'vip',
      value: { vipId: v.vip_id, epoch: BigInt(v.epoch), body: item(v) },
    });
    platform.send(body(vip(2, { holder_peer_id: 'b', route_peer_id: 'b' })));
    await eventually('the second ack', () => platform.of('vipAck').some((a) => a.epoch === 2n));
    expect(running.driver.writes).toHaveLength(1);
    expect(running.driver.writes[0]?.change.peers).toEqual([
      {
        publicKey: PEER_B,
        add: ['fd00:abcd:1::100/128'],
        allowedIps: ['fd00:abcd:1::100/128', 'fd00:abcd:1::1:3/128'],
      },
    ]);
    expect(running.links.killed).toContainEqual({ which: 'dst', address: 'fd00:abcd:1::100' });
    platform.send(body(vip(1, {})));
    platform.send(snapshot([network(8, [vip(1, {})])]));
    await eventually('the next receipt', () => platform.of('applied').at(-1)?.generation === 8n);
    const peers = (await running.driver.read('wg-sdwan-abc123'))?.peers;
    expect(peers?.find((p) => p.publicKey === PEER_B)?.allowedIps).toContain('fd00:abcd:1::100/128');
  });

  it('holds, then keeps the address until it is told to release it', async () => {
    const me = vip(1, { role: 'holder', holder_peer_id: 'me', route_peer_id: null });
    platform.onHello = (_h, s) => s.write({ message: snapshot([network(7, [me])]) });
    running = await startAgent(platform, stateDir);
    const { VipAck_Role: Role } = agentV1;
    await eventually('the holder ack', () => platform.of('vipAck').some((a) => a.role === Role.ROLE_HOLDER));
    const on = () => running!.links.addresses('wg-sdwan-abc123').includes('fd00:abcd:1::100/128');
    expect(on()).toBe(true);
    const moved = vip(2, { role: 'candidate', holder_peer_id: 'b', route_peer_id: 'b', release_after_move: true });
    platform.send({ $case: 'vip', value: { vipId: moved.vip_id, epoch: 2n, body: item(moved) } });
    await eventually('the routed ack', () => platform.of('vipAck').some((a) => a.role === Role.ROLE_ROUTED));
    expect(on()).toBe(true);
    platform.send({
      $case: 'vip',
      value: { vipId: moved.vip_id, epoch: 2n, body: item({ ...moved, release_after_move: false }) },
    });
    await eventually('the release ack', () => platform.of('vipAck').some((a) => a.role === Role.ROLE_RELEASED));
    expect(on()).toBe(false);
  });

  it("joins a tunnel with the node's own API port and refuses any other", async () => {
    running = await startAgent(platform, stateDir);
    await eventually('a stream', () => platform.of('hello').length === 1);
    platform.send({ $case: 'openTunnel', value: { tunnelId: 't1', port: 22 } });
    await eventually('a refusal', () => platform.of('tunnelFailed').some((t) => t.tunnelId === 't1'));
    const server = createServer((socket) => socket.on('data', (d) => socket.end(`echo ${d.toString()}`)));
    const bound = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(6443, '127.0.0.1', () => resolve(true));
    });
    if (!bound) throw new Error('port 6443 of the loopback is in use: the tunnel cannot be tested here');
    platform.send({ $case: 'openTunnel', value: { tunnelId: 't2', port: 6443 } });
    await eventually('the tunnel', () => platform.tunnels.length === 1);
    let text = '';
    platform.tunnels[0]!.on('data', (m: agentV1.TunnelRequest) => {
      if (m.message?.$case === 'data') text += m.message.value.toString();
    });
    platform.tunnels[0]!.write({ data: Buffer.from('hello') });
    await eventually('the echo', () => text === 'echo hello');
    server.close();
  });

  it('renews its certificate at two thirds of its life and reconnects with the new one', async () => {
    platform.certificateLifeMs = 3_500;
    running = await startAgent(platform, stateDir);
    const before = (await running.store.load())?.certificatePem;
    await eventually('the renewal', async () => (await running!.store.load())?.certificatePem !== before);
    await eventually('the second stream', () => platform.of('hello').length === 2);
  });
});
