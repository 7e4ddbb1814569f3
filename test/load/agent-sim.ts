// Many agents in one process, over real mTLS connections of their own. Started by scripts/benches/push.ts.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { credentials } from '@grpc/grpc-js';
import * as x509 from '@peculiar/x509';
import { agentV1 } from '#proto';
import { machineMs, type FromAgents, type ToAgents } from './protocol.js';
import { SimAgent, type SimIdentity } from './sim-agent.js';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const AT_ONCE = 16;

const tell = (message: FromAgents): void => void process.send!(message);

const enroll = async (client: agentV1.EnrollmentServiceClient, n: number): Promise<SimIdentity> => {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: P256 });
  const request = agentV1.EnrollRequest.fromPartial({ joinToken: `load-${n}`, csrDer: Buffer.from(csr.rawData) });
  const { instanceId, certificateDer, caDer } = await new Promise<agentV1.EnrollResponse>((resolve, reject) =>
    client.enroll(request, (error, answer) => (error === null ? resolve(answer) : reject(error))),
  );
  const pem = (der: Uint8Array) => x509.PemConverter.encode(new Uint8Array(der), 'CERTIFICATE');
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  const keyPem = x509.PemConverter.encode(pkcs8, 'PRIVATE KEY');
  return { instanceId, keyPem, certPem: pem(certificateDer), caPem: pem(caDer[0]!) };
};

const enrollAll = async (start: Extract<ToAgents, { kind: 'start' }>): Promise<SimIdentity[]> => {
  const tls = credentials.createSsl(Buffer.from(start.caPem));
  const client = new agentV1.EnrollmentServiceClient(`${start.host}:${start.enrollPort}`, tls);
  const identities: SimIdentity[] = [];
  for (let n = 0; n < start.count; n += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, start.count - n) }, (_, i) => enroll(client, n + i));
    identities.push(...(await Promise.all(some)));
  }
  client.close();
  return identities;
};

let agents: SimAgent[] = [];
const converged = new Set<SimAgent>();
let problems = 0;
let round = -1;
let latencies: number[] = [];

const received = (value: Uint8Array): void => {
  const now = machineMs();
  const { round: of, at } = JSON.parse(Buffer.from(value).toString()) as { round?: number; at?: number };
  if (of === undefined || at === undefined) return;
  if (of !== round) {
    round = of;
    latencies = [];
  }
  latencies.push(now - at);
  if (latencies.length < agents.length) return;
  for (const agent of agents) agent.verify();
  tell({ kind: 'received', round, latenciesMs: latencies, problems });
};

const start = async (message: Extract<ToAgents, { kind: 'start' }>): Promise<void> => {
  const identities = await enrollAll(message);
  agents = identities.map(
    (identity) =>
      new SimAgent(`${message.host}:${message.agentPort}`, identity, {
        converged: (agent) => void converged.add(agent),
        item: (_, key, value) => key === 'peer/changing' && received(value),
        problem: () => void problems++,
      }),
  );
  tell({ kind: 'enrolled', instances: identities.map((i) => i.instanceId) });
};

process.on('message', (message: ToAgents) => {
  if (message.kind === 'start') {
    start(message).catch((error: unknown) => {
      process.stderr.write(`agent-sim: ${String(error)}\n`);
      process.exit(1);
    });
    return;
  }
  if (message.kind === 'connect') for (const agent of agents) agent.connect();
  converged.clear();
});
setInterval(() => tell({ kind: 'converged', count: converged.size }), 50);
process.on('disconnect', () => process.exit(0));
