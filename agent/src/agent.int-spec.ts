import 'reflect-metadata';
import { status } from '@grpc/grpc-js';
import { agentV1, sectionHash, type VipItem } from '#proto';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { systemFiles } from './adapters/files.js';
import type { Files } from './ports.js';
import { AgentCase } from './testing/agent-case.js';
import { NET, network, PEER_B, snapshot, vip } from './testing/agent-sections.js';
import { FakePlatform, item } from './testing/fake-platform.js';
import { eventually, startAgent } from './testing/harness.js';
import { makeTestCa } from './testing/test-ca.js';

describe('the agent against a platform on real sockets', () => {
  const node = new AgentCase();

  it('enrols, applies a snapshot and sends receipts and its public key', async () => {
    node.platform.onHello = (_h, s) => s.write({ message: snapshot([network(7)]) });
    const running = await node.start();
    await eventually('a receipt', () => node.platform.of('applied').length > 0);
    expect(node.platform.of('applied')[0]).toMatchObject({ section: `network/${NET}`, generation: 7n, errors: [] });
    await eventually('the key', () => node.platform.of('peerKey').length > 0);
    const state = await running.driver.read('wg-sdwan-abc123');
    expect(state?.publicKey).toBe(node.platform.of('peerKey')[0]?.publicKey);
    expect(state?.peers.map((p) => p.allowedIps)).toEqual([['fd00:abcd:1::1:2/128'], ['fd00:abcd:1::1:3/128']]);
    expect(running.links.addresses('wg-sdwan-abc123')).toEqual(['100.64.0.1/32', 'fd00:abcd:1::1:1/128']);
    expect(running.links.forwarding).toBe(true);
  });

  it('repeats a lost enrolment answer with the same key', async () => {
    node.platform.enrollFailure = { code: status.UNAVAILABLE, details: 'try again' };
    const started = node.start();
    await eventually('two attempts', () => node.platform.enrolments.length >= 2);
    node.platform.enrollFailure = undefined;
    await started;
    const keys = node.platform.enrolments.map((e) =>
      new Pkcs10CertificateRequest(new Uint8Array(e.csrDer)).publicKey.toString('hex'),
    );
    expect(new Set(keys).size).toBe(1);
    expect(await readdir(node.stateDir)).not.toContain('pending-key.pem');
  });

  it('gives up on a token that is refused and says why', async () => {
    node.platform.enrollFailure = {
      code: status.PERMISSION_DENIED,
      details: 'join_token_used: the token was used before',
    };
    await expect(node.start()).rejects.toThrow(/join_token_used/);
    expect(node.platform.enrolments).toHaveLength(1);
  });

  it('does not send the token to a server that lacks the pinned CA', async () => {
    const other = new FakePlatform(await makeTestCa());
    await other.start();
    const fooled = Object.assign(Object.create(other) as FakePlatform, { ca: node.ca });
    await expect(startAgent(fooled, node.stateDir)).rejects.toThrow(/CA_PIN_MISMATCH/);
    expect(other.enrolments).toHaveLength(0);
    other.stop();
  });

  it('asks anew for a section when a delta has another base or another hash', async () => {
    node.platform.onHello = (hello, s) => {
      if (!hello.sections.some((x) => x.name === `network/${NET}`)) s.write({ message: snapshot([network(7)]) });
    };
    const running = await node.start();
    await eventually('a receipt', () => node.platform.of('applied').length === 1);
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
    node.platform.send(delta(3n, ''));
    await eventually('a second hello', () => node.platform.of('hello').length === 2);
    await eventually('the whole section again', () => node.platform.of('applied').length === 2);
    node.platform.send(delta(7n, 'wrong'));
    await eventually('a third hello', () => node.platform.of('hello').length === 3);
    await eventually('the section once more', () => node.platform.of('applied').length === 3);
    const items = new Map(Object.entries(network(7).items));
    items.delete('peer/b');
    node.platform.send(delta(7n, sectionHash(items)));
    await eventually('the delta', () => node.platform.of('applied').at(-1)?.generation === 8n);
    expect((await running.driver.read('wg-sdwan-abc123'))?.peers).toHaveLength(1);
  });

  it('converges from its cache while the platform is away, and comes back with its hashes', async () => {
    node.platform.onHello = (hello, s) => {
      if (hello.sections.length === 0) s.write({ message: snapshot([network(7)]) });
    };
    const running = await node.start();
    await eventually('a receipt', () => node.platform.of('applied').length === 1);
    await running.agent.stop(false);
    node.platform.stop();
    const again = await node.start();
    await eventually('the peers', async () => (await again.driver.read('wg-sdwan-abc123'))?.peers.length === 2);
    await node.platform.start();
    await eventually('the second hello', () => node.platform.of('hello').length === 2);
    const [first, second] = node.platform.of('hello');
    expect(second?.sections[0]).toMatchObject({ name: `network/${NET}`, generation: 7n });
    expect(second!.startCounter).toBeGreaterThan(first!.startCounter);
  });

  it('knows after a stop what it was told last, also where there was no room for it until then', async () => {
    node.platform.onHello = (_h, s) => s.write({ message: snapshot([network(7)]) });
    let isFull = true;
    const files: Files = {
      ...systemFiles,
      write: async (path, data, mode) => {
        if (isFull && path.endsWith('desired.json')) throw new Error('ENOSPC: no space left on device');
        return systemFiles.write(path, data, mode);
      },
    };
    const running = await node.start({ ports: { files } });
    await eventually('a receipt', () => node.platform.of('applied').length > 0);
    isFull = false;
    await running.agent.stop(false);
    node.platform.stop();
    const again = await node.start();
    await eventually('the peers', async () => (await again.driver.read('wg-sdwan-abc123'))?.peers.length === 2);
  });

  it('moves a VIP in one write, resets connections, and ignores a stale message', async () => {
    node.platform.onHello = (_h, s) => s.write({ message: snapshot([network(7, [vip(1, {})])]) });
    const running = await node.start();
    await eventually('the first ack', () => node.platform.of('vipAck').length === 1);
    running.driver.writes.length = 0;
    const body = (v: VipItem): agentV1.SyncResponse['message'] & object => ({
      $case: 'vip',
      value: { vipId: v.vip_id, epoch: BigInt(v.epoch), body: item(v) },
    });
    node.platform.send(body(vip(2, { holder_peer_id: 'b', route_peer_id: 'b' })));
    await eventually('the second ack', () => node.platform.of('vipAck').some((a) => a.epoch === 2n));
    expect(running.driver.writes).toHaveLength(1);
    expect(running.driver.writes[0]?.change.peers).toEqual([
      {
        publicKey: PEER_B,
        add: ['fd00:abcd:1::100/128'],
        allowedIps: ['fd00:abcd:1::100/128', 'fd00:abcd:1::1:3/128'],
      },
    ]);
    expect(running.links.killed).toContainEqual({ which: 'dst', address: 'fd00:abcd:1::100' });
    node.platform.send(body(vip(1, {})));
    node.platform.send(snapshot([network(8, [vip(1, {})])]));
    await eventually('the next receipt', () => node.platform.of('applied').at(-1)?.generation === 8n);
    const peers = (await running.driver.read('wg-sdwan-abc123'))?.peers;
    expect(peers?.find((p) => p.publicKey === PEER_B)?.allowedIps).toContain('fd00:abcd:1::100/128');
  });

  it('holds, then keeps the address until it is told to release it', async () => {
    const me = vip(1, { role: 'holder', holder_peer_id: 'me', route_peer_id: null });
    node.platform.onHello = (_h, s) => s.write({ message: snapshot([network(7, [me])]) });
    const running = await node.start();
    const { VipAck_Role: Role } = agentV1;
    await eventually('the holder ack', () => node.platform.of('vipAck').some((a) => a.role === Role.ROLE_HOLDER));
    const on = () => running.links.addresses('wg-sdwan-abc123').includes('fd00:abcd:1::100/128');
    expect(on()).toBe(true);
    const moved = vip(2, { role: 'candidate', holder_peer_id: 'b', route_peer_id: 'b', release_after_move: true });
    node.platform.send({ $case: 'vip', value: { vipId: moved.vip_id, epoch: 2n, body: item(moved) } });
    await eventually('the routed ack', () => node.platform.of('vipAck').some((a) => a.role === Role.ROLE_ROUTED));
    expect(on()).toBe(true);
    node.platform.send({
      $case: 'vip',
      value: { vipId: moved.vip_id, epoch: 2n, body: item({ ...moved, release_after_move: false }) },
    });
    await eventually('the release ack', () => node.platform.of('vipAck').some((a) => a.role === Role.ROLE_RELEASED));
    expect(on()).toBe(false);
  });

  it("joins a tunnel with the node's own API port and refuses any other", async () => {
    await node.start();
    await eventually('a stream', () => node.platform.of('hello').length === 1);
    node.platform.send({ $case: 'openTunnel', value: { tunnelId: 't1', port: 22 } });
    await eventually('a refusal', () => node.platform.of('tunnelFailed').some((t) => t.tunnelId === 't1'));
    const server = createServer((socket) => socket.on('data', (d) => socket.end(`echo ${d.toString()}`)));
    const bound = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(6443, '127.0.0.1', () => resolve(true));
    });
    if (!bound) throw new Error('port 6443 of the loopback is in use: the tunnel cannot be tested here');
    node.platform.send({ $case: 'openTunnel', value: { tunnelId: 't2', port: 6443 } });
    await eventually('the tunnel', () => node.platform.tunnels.length === 1);
    let text = '';
    node.platform.tunnels[0]!.on('data', (m: agentV1.TunnelRequest) => {
      if (m.message?.$case === 'data') text += m.message.value.toString();
    });
    node.platform.tunnels[0]!.write({ data: Buffer.from('hello') });
    await eventually('the echo', () => text === 'echo hello');
    server.close();
  });

  it('renews its certificate at two thirds of its life and reconnects with the new one', async () => {
    node.platform.certificateLifeMs = 3_500;
    const running = await node.start();
    const before = (await running.store.load())?.certificatePem;
    await eventually('the renewal', async () => (await running.store.load())?.certificatePem !== before);
    await eventually('the second stream', () => node.platform.of('hello').length === 2);
  });
});
