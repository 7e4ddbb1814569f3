import {
  Server,
  ServerCredentials,
  status,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { agentV1, sectionHash } from '#proto';
import type { TestCa } from './test-ca.js';

type Up = NonNullable<agentV1.SyncRequest['message']>;
type Values = { [M in Up as M['$case']]: M['value'] };
type Stream = ServerDuplexStream<agentV1.SyncRequest, agentV1.SyncResponse>;
type TunnelStream = ServerDuplexStream<agentV1.TunnelRequest, agentV1.TunnelResponse>;

export const item = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

export const section = (name: string, generation: number, items: Record<string, unknown>): agentV1.Section => {
  const encoded = Object.fromEntries(Object.entries(items).map(([key, value]) => [key, item(value)]));
  return { name, generation: BigInt(generation), hash: sectionHash(new Map(Object.entries(encoded))), items: encoded };
};

/** The platform's side of agent.v1, as small as tests need it, on real sockets with real TLS. */
export class FakePlatform {
  readonly received: Up[] = [];
  readonly phases: agentV1.ReportPhaseRequest[] = [];
  readonly enrolments: agentV1.EnrollRequest[] = [];
  readonly tunnels: TunnelStream[] = [];
  streams: Stream[] = [];
  /** What a hello is answered with. */
  onHello: (hello: agentV1.Hello, stream: Stream) => void = () => undefined;
  onPhase: (request: agentV1.ReportPhaseRequest) => agentV1.ReportPhaseResponse['result'] = () => undefined;
  enrollFailure: { code: status; details: string } | undefined;
  certificateLifeMs: number | undefined;
  enrollPort = 0;
  agentPort = 0;
  private servers: Server[] = [];

  constructor(readonly ca: TestCa) {}

  async start(): Promise<void> {
    const { cert, key } = await this.ca.server();
    const pair = [{ cert_chain: cert, private_key: key }];
    const roots = Buffer.from(this.ca.pem);
    const agents = new Server();
    agents.addService(agentV1.AgentServiceService, {
      renewCertificate: this.reply(async (r: agentV1.RenewCertificateRequest) => ({
        certificateDer: await this.ca.client(r.csrDer, 'instance-1'),
        caDer: [this.ca.der],
      })),
      reportPhase: this.reply(async (r: agentV1.ReportPhaseRequest) => {
        this.phases.push(r);
        return { result: this.onPhase(r) };
      }),
      sync: (stream: Stream) => this.sync(stream),
      tunnel: (stream: TunnelStream) => void this.tunnels.push(stream),
    });
    const enrolment = new Server();
    enrolment.addService(agentV1.EnrollmentServiceService, {
      enroll: this.reply((r: agentV1.EnrollRequest) => this.enroll(r)),
    });
    this.agentPort = await listen(agents, this.agentPort, ServerCredentials.createSsl(roots, pair, true));
    this.enrollPort = await listen(enrolment, this.enrollPort, ServerCredentials.createSsl(null, pair, false));
    this.servers = [agents, enrolment];
  }

  stop(): void {
    for (const server of this.servers) server.forceShutdown();
    this.servers = [];
    this.streams = [];
  }

  send(message: NonNullable<agentV1.SyncResponse['message']>): void {
    this.streams.at(-1)?.write({ message });
  }

  of<K extends Up['$case']>(kind: K): Values[K][] {
    const found: Values[K][] = [];
    for (const message of this.received) if (message.$case === kind) found.push(message.value as Values[K]);
    return found;
  }

  private async enroll(request: agentV1.EnrollRequest): Promise<agentV1.EnrollResponse> {
    this.enrolments.push(request);
    if (this.enrollFailure !== undefined)
      throw Object.assign(new Error(this.enrollFailure.details), this.enrollFailure);
    const certificateDer = await this.ca.client(request.csrDer, 'instance-1', this.certificateLifeMs);
    return {
      instanceId: 'instance-1',
      certificateDer,
      caDer: [this.ca.der],
      agentAddress: `127.0.0.1:${this.agentPort}`,
    };
  }

  private sync(stream: Stream): void {
    this.streams.push(stream);
    stream.on('data', ({ message }: agentV1.SyncRequest) => {
      if (message === undefined) return;
      this.received.push(message);
      if (message.$case === 'hello') {
        stream.write({
          message: {
            $case: 'welcome',
            value: { storeEpoch: 'e1', beatMs: 200, leaseMs: 600, instanceId: 'instance-1' },
          },
        });
        this.onHello(message.value, stream);
      }
      if (message.$case === 'heartbeat')
        stream.write({ message: { $case: 'heartbeatAck', value: { seq: message.value.seq } } });
    });
    // An agent that goes away is what some tests are about.
    stream.on('error', () => stream.end());
    stream.on('end', () => stream.end());
  }

  private reply<Q, R>(handle: (request: Q) => Promise<R>) {
    return (call: ServerUnaryCall<Q, R>, done: sendUnaryData<R>): void => {
      handle(call.request).then(
        (answer) => done(null, answer),
        (error: Error & { code?: status }) => done({ code: error.code ?? status.INTERNAL, details: error.message }),
      );
    };
  }
}

const listen = (server: Server, port: number, credentials: ServerCredentials): Promise<number> =>
  new Promise((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
