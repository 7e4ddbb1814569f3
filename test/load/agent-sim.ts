// Many agents in one process, over real mTLS connections of their own. Started by scripts/benches/push.ts.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { credentials } from '@grpc/grpc-js';
import * as x509 from '@peculiar/x509';
import { agentV1 } from '#proto';
import { wallMs, type FromAgents, type ReceiptOf, type ToAgents } from './protocol.js';
import { SimAgent, type SimIdentity } from './sim-agent.js';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const AT_ONCE = 16;
/** The item that carries the round of a push: the module that the bench assigns, with the round in its config. */
const PUSHED = 'module/base';

type Start = Extract<ToAgents, { kind: 'start' }>;

const tell = (message: FromAgents): void => void process.send!(message);

const enroll = async (client: agentV1.EnrollmentServiceClient, joinToken: string): Promise<SimIdentity> => {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: P256 });
  const request = agentV1.EnrollRequest.fromPartial({ joinToken, csrDer: Buffer.from(csr.rawData) });
  const { instanceId, certificateDer, caDer } = await new Promise<agentV1.EnrollResponse>((resolve, reject) =>
    client.enroll(request, (error, answer) => (error === null ? resolve(answer) : reject(error))),
  );
  const pem = (der: Uint8Array) => x509.PemConverter.encode(new Uint8Array(der), 'CERTIFICATE');
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  const keyPem = x509.PemConverter.encode(pkcs8, 'PRIVATE KEY');
  return { instanceId, keyPem, certPem: pem(certificateDer), caPem: pem(caDer[0]!) };
};

const enrollAll = async ({ joinTokens, enrollAddress, caPem }: Start): Promise<SimIdentity[]> => {
  const client = new agentV1.EnrollmentServiceClient(enrollAddress, credentials.createSsl(Buffer.from(caPem)));
  const identities: SimIdentity[] = [];
  const waiting = [...joinTokens];
  const work = async () => {
    for (let token = waiting.shift(); token !== undefined; token = waiting.shift())
      identities.push(await enroll(client, token));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  client.close();
  return identities;
};

let agents: SimAgent[] = [];
const converged = new Set<SimAgent>();
let sections = 0;
let problems = 0;
let expected: { readonly round: number; readonly count: number } | undefined;
let receipts: ReceiptOf[] = [];

const roundOf = (value: Uint8Array): unknown =>
  (JSON.parse(Buffer.from(value).toString()) as { config: { round?: number } }).config.round;

const received = (agent: SimAgent, value: Uint8Array): void => {
  const atMs = wallMs();
  if (expected === undefined || roundOf(value) !== expected.round) return;
  receipts.push({ instanceId: agent.identity.instanceId, atMs });
  if (receipts.length < expected.count) return;
  for (const each of agents) each.verify();
  tell({ kind: 'received', round: expected.round, receipts, problems });
  expected = undefined;
};

const start = async (message: Start): Promise<void> => {
  const identities = await enrollAll(message);
  const hooks = {
    converged: (agent: SimAgent) => void converged.add(agent),
    section: () => void sections++,
    item: (agent: SimAgent, key: string, value: Uint8Array) => key === PUSHED && received(agent, value),
    problem: () => void problems++,
  };
  agents = identities.map((identity) => new SimAgent(message.agentAddress, identity, hooks));
  tell({ kind: 'enrolled', instances: identities.map((i) => i.instanceId) });
};

const handle = async (message: ToAgents): Promise<void> => {
  switch (message.kind) {
    case 'start':
      return start(message);
    case 'connect':
      for (const agent of agents) agent.connect();
      return;
    case 'reset':
      sections = 0;
      return converged.clear();
    case 'expect':
      receipts = [];
      expected = message;
      return tell({ kind: 'expecting', round: message.round });
    case 'stand': {
      const holds = (agent: SimAgent) => agent.valuesOf(PUSHED).some((value) => roundOf(value) === message.round);
      const holding = agents.filter(holds).map((agent) => agent.identity.instanceId);
      return tell({ kind: 'standing', counted: receipts.map(({ instanceId }) => instanceId), holding });
    }
  }
};

process.on('message', (message: ToAgents) => {
  handle(message).catch((error: unknown) => {
    process.stderr.write(`agent-sim: ${String(error)}\n`);
    process.exit(1);
  });
});
setInterval(() => tell({ kind: 'converged', count: converged.size, sections }), 50);
process.on('disconnect', () => process.exit(0));
