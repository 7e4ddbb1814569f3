import 'reflect-metadata';
import { status } from '@grpc/grpc-js';
import { systemRandom } from '#kernel';
import type { agentV1 } from '#proto';
import { failure, gatewayUnderTest } from '../testing/agents.js';
import { until } from '../testing/client.js';

describe('tunnels to agents, over real TLS', () => {
  const under = gatewayUnderTest();
  const { enrolled, of: agentOf } = under.agents;

  it('carries a tunnel both ways through real sockets, with back-pressure and an end', async () => {
    const agent = agentOf(await enrolled()).connect();
    await until('live', () => agent.of('snapshot').length === 1);
    const opening = under.rig.gateway.openTunnel(agent.identity.instanceId, 6443);
    await until('asked', () => agent.of('openTunnel').length === 1);
    const { tunnelId, port } = agent.of('openTunnel')[0]!;
    expect(port).toBe(6443);
    const far = agent.tunnelClient().tunnel();
    far.write({ message: { $case: 'tunnelId', value: tunnelId } });
    far.on('data', ({ data }: agentV1.TunnelResponse) => void far.write({ message: { $case: 'data', value: data } }));
    far.on('end', () => far.end());
    const near = await opening;
    const size = 3_000_000;
    const sent = Buffer.from(systemRandom.bytes(size));
    const got: Buffer[] = [];
    const back = new Promise<void>((resolve) => {
      let length = 0;
      near.on('data', (chunk: Buffer) => {
        got.push(chunk);
        if ((length += chunk.length) === size) resolve();
      });
    });
    near.write(sent);
    await back;
    expect(Buffer.concat(got).equals(sent)).toBe(true);
    const over = new Promise((resolve) => far.once('end', resolve));
    near.end();
    await over;
  });

  it('refuses tunnels of absent agents, tells what the agent said, and takes no tunnel of another agent', async () => {
    await expect(under.rig.gateway.openTunnel('instance-nobody', 6443)).rejects.toMatchObject({
      refusal: { code: 'agent_away' },
    });
    const agent = agentOf(await enrolled()).connect();
    const other = agentOf(await enrolled()).connect();
    await until('live', () => agent.of('snapshot').length === 1 && other.of('snapshot').length === 1);
    const opening = under.rig.gateway.openTunnel(agent.identity.instanceId, 22);
    await until('asked', () => agent.of('openTunnel').length === 1);
    const { tunnelId } = agent.of('openTunnel')[0]!;
    const thief = other.tunnelClient().tunnel();
    thief.write({ message: { $case: 'tunnelId', value: tunnelId } });
    expect((await failure((done) => thief.on('error', done))).code).toBe(status.NOT_FOUND);
    agent.send({ $case: 'tunnelFailed', value: { tunnelId, error: 'port 22 is not allowed' } });
    await expect(opening).rejects.toMatchObject({
      refusal: { code: 'tunnel_refused', message: expect.stringContaining('port 22') },
    });
  });
});
