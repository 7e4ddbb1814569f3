import 'reflect-metadata';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectHttp2, constants } from 'node:http2';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { credentials, status } from '@grpc/grpc-js';
import { systemClock, systemRandom } from '#kernel';
import { PlatformCa } from '#access';
import { agentV1 } from '#proto';
import { failure, gatewayUnderTest } from './testing/agents.js';
import { agentClient, enroll, until } from './testing/client.js';
import { derToPem, makeCsr } from './testing/rig.js';

describe('strangers and broken clients, at the gateway’s real ports', () => {
  const under = gatewayUnderTest();
  const { enrolled, of: agentOf } = under.agents;

  it('refuses an unknown join token with code, field and reason', async () => {
    await expect(enroll(under.rig, 'nonsense')).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('unknown_join_token: this join token is not known (field join_token)'),
    });
  });

  it('refuses a certificate of a foreign CA, none at all, and plaintext', async () => {
    const identity = await enrolled();
    const dataDir = await mkdtemp(join(tmpdir(), 'drover-foreign-'));
    const foreign = await PlatformCa.open({ clock: systemClock, random: systemRandom, dataDir });
    const { keyPem, csrDer } = await makeCsr();
    const { certificateDer } = await foreign.issueAgentCertificate(identity.instanceId, csrDer);
    await rm(dataDir, { recursive: true });
    const impostor = agentClient(under.rig.agentAddress, { ...identity, keyPem, certPem: derToPem(certificateDer) });
    const anonymous = new agentV1.AgentServiceClient(
      under.rig.agentAddress,
      credentials.createSsl(Buffer.from(identity.caPem)),
    );
    const plain = new agentV1.AgentServiceClient(under.rig.agentAddress, credentials.createInsecure());
    for (const client of [impostor, anonymous, plain]) {
      const error = await failure((done) => client.reportPhase(agentV1.ReportPhaseRequest.create(), done));
      expect(error.code).toBe(status.UNAVAILABLE);
      client.close();
    }
  });

  it('never resumes a TLS session', async () => {
    const identity = await enrolled();
    const [host, port] = under.rig.agentAddress.split(':') as [string, string];
    const options = {
      host,
      port: Number(port),
      ca: identity.caPem,
      cert: identity.certPem,
      key: identity.keyPem,
      ALPNProtocols: ['h2'],
    };
    const tickets: Buffer[] = [];
    const first = connectTls(options);
    first.on('session', (s) => tickets.push(s));
    await new Promise((resolve) => first.once('secureConnect', resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const session = tickets[0] ?? first.getSession();
    first.destroy();
    const second = connectTls({ ...options, session });
    await new Promise((resolve) => second.once('secureConnect', resolve));
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
  });

  it('refuses oversized messages on both ports and goes on serving', async () => {
    await expect(enroll(under.rig, `token-1${'0'.repeat(70_000)}`)).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
    const identity = await enrolled();
    const agent = agentOf(identity).connect();
    await until('snapshot', () => agent.of('snapshot').length === 1);
    agent.send({ $case: 'log', value: { level: 'info', message: 'x'.repeat(5 * 1024 * 1024) } });
    await until('stream ended', () => agent.ended !== undefined);
    expect(agent.ended).toBe(`error ${status.RESOURCE_EXHAUSTED}`);
    agent.connect({ startCounter: 2n });
    await until('back', () => agent.of('snapshot').length === 2);
  });

  it('refuses malformed frames, half frames and noise, and goes on serving', async () => {
    const identity = await enrolled();
    const tls = { ca: identity.caPem, cert: identity.certPem, key: identity.keyPem };
    const grpcFrame = (body: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]);
    for (const bytes of [
      grpcFrame(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x0f])),
      Buffer.from([9, 9, 9, 9, 9, 9]),
      Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]),
    ]) {
      const session = connectHttp2(`https://${under.rig.agentAddress}`, tls);
      session.on('error', () => session.destroy());
      const stream = session.request({
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_PATH]: '/agent.v1.AgentService/Sync',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', () => stream.destroy());
      const over = new Promise((resolve) => stream.once('close', resolve));
      stream.resume();
      stream.end(bytes);
      await over;
      session.destroy();
    }
    const [host, port] = under.rig.agentAddress.split(':') as [string, string];
    const raw = createConnection({ host, port: Number(port) });
    raw.on('error', () => raw.destroy());
    raw.write(systemRandom.bytes(4_096));
    await new Promise((resolve) => raw.once('close', resolve));
    const agent = agentOf(identity).connect();
    await until('served', () => agent.of('snapshot').length === 1);
  });

  it('wants Hello first', async () => {
    const agent = agentOf(await enrolled());
    const call = agent.tunnelClient().sync();
    const byes: unknown[] = [];
    call.on('data', (m: agentV1.SyncResponse) => byes.push(m.message));
    call.on('error', () => undefined);
    call.write({ message: { $case: 'heartbeat', value: agentV1.Heartbeat.create() } });
    await until('bye', () => byes.length === 1);
    expect(byes[0]).toMatchObject({ $case: 'bye', value: { code: 'hello_expected' } });
  });
});
