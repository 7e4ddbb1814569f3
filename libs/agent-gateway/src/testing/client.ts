import { credentials, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { agentV1, applyDiff, sectionHash } from '#proto';
import { derToPem, makeCsr, type Rig } from './rig.js';

export interface ClientIdentity {
  readonly instanceId: string;
  readonly keyPem: string;
  readonly certPem: string;
  readonly caPem: string;
}

export const enroll = async (rig: Rig, token: string): Promise<ClientIdentity> => {
  const { keyPem, csrDer } = await makeCsr();
  const client = new agentV1.EnrollmentServiceClient(
    rig.enrollAddress,
    credentials.createSsl(Buffer.from(rig.ca.caPem())),
  );
  try {
    const request = { joinToken: token, csrDer, agentVersion: '1', hostname: 'h', bootId: 'b', machineId: 'm' };
    const response = await new Promise<agentV1.EnrollResponse>((resolve, reject) =>
      client.enroll(request, (error, answer) => (error === null ? resolve(answer) : reject(error))),
    );
    return {
      instanceId: response.instanceId,
      keyPem,
      certPem: derToPem(response.certificateDer),
      caPem: derToPem(response.caDer[0]!),
    };
  } finally {
    client.close();
  }
};

export const agentClient = (address: string, identity: ClientIdentity): agentV1.AgentServiceClient =>
  new agentV1.AgentServiceClient(
    address,
    credentials.createSsl(Buffer.from(identity.caPem), Buffer.from(identity.keyPem), Buffer.from(identity.certPem)),
  );

export const helloOf = (more: Partial<agentV1.Hello> = {}): agentV1.Hello =>
  agentV1.Hello.fromPartial({ protocolVersion: 1, bootId: 'boot-1', startCounter: 1n, ...more });

interface Local {
  generation: bigint;
  hash: string;
  items: Map<string, Uint8Array>;
}

/** An agent without a node: keeps sections as the protocol demands, acknowledges them and remembers what it saw. */
export class TestAgent {
  readonly sections = new Map<string, Local>();
  readonly seen: agentV1.SyncResponse[] = [];
  readonly problems: string[] = [];
  ended: string | undefined;
  private readonly client: agentV1.AgentServiceClient;
  private call: ClientDuplexStream<agentV1.SyncRequest, agentV1.SyncResponse> | undefined;
  private storeEpoch = '';
  private seq = 0n;
  private beating: NodeJS.Timeout | undefined;

  constructor(
    rig: Rig,
    readonly identity: ClientIdentity,
  ) {
    this.client = agentClient(rig.agentAddress, identity);
  }

  connect(hello: Partial<agentV1.Hello> = {}): this {
    this.ended = undefined;
    const call = this.client.sync();
    this.call = call;
    call.on('data', (message: agentV1.SyncResponse) => this.receive(message));
    call.on('error', (error: ServiceError) => (this.ended ??= `error ${error.code}`));
    call.on('end', () => (this.ended ??= 'end'));
    const sections = [...this.sections].map(([name, { generation, hash }]) => ({ name, generation, hash }));
    this.send({ $case: 'hello', value: helloOf({ storeEpoch: this.storeEpoch, sections, ...hello }) });
    return this;
  }

  send(message: NonNullable<agentV1.SyncRequest['message']>): void {
    this.call!.write({ message });
  }

  beat(): void {
    this.send({ $case: 'heartbeat', value: { seq: ++this.seq, uptimeMs: 0n, load1m: 0, memoryFreeBytes: 0n } });
  }

  beatEvery(ms: number): this {
    this.stopBeating();
    this.beating = setInterval(() => this.beat(), ms);
    return this;
  }

  stopBeating(): void {
    clearInterval(this.beating);
  }

  item(section: string, key: string): unknown {
    const bytes = this.sections.get(section)?.items.get(key);
    return bytes === undefined ? undefined : JSON.parse(Buffer.from(bytes).toString());
  }

  of<C extends NonNullable<agentV1.SyncResponse['message']>['$case']>(kind: C) {
    type M = Extract<NonNullable<agentV1.SyncResponse['message']>, { $case: C }>;
    return this.seen.filter((m) => m.message?.$case === kind).map((m) => m.message!.value as M['value']);
  }

  tunnelClient(): agentV1.AgentServiceClient {
    return this.client;
  }

  close(): void {
    this.stopBeating();
    this.call?.end();
    this.call?.cancel();
    this.client.close();
  }

  private receive(response: agentV1.SyncResponse): void {
    this.seen.push(response);
    const message = response.message;
    if (message?.$case === 'welcome') this.storeEpoch = message.value.storeEpoch;
    if (message?.$case === 'snapshot') this.snapshot(message.value);
    if (message?.$case === 'delta') this.delta(message.value);
  }

  private snapshot({ sections, unchanged, complete }: agentV1.Snapshot): void {
    for (const { name, generation, hash, items } of sections) {
      this.sections.set(name, { generation, hash, items: new Map(Object.entries(items)) });
      this.applied(name);
    }
    if (!complete) return;
    const named = new Set([...unchanged, ...sections.map((s) => s.name)]);
    for (const name of this.sections.keys()) if (!named.has(name)) this.sections.delete(name);
  }

  private delta({ section, baseGeneration, generation, hash, put, remove }: agentV1.Delta): void {
    const local = this.sections.get(section);
    if (local?.generation !== baseGeneration) return void this.problems.push(`base of ${section} is ${baseGeneration}`);
    const items = applyDiff(local.items, { put: new Map(Object.entries(put)), remove });
    this.sections.set(section, { generation, hash, items });
    this.applied(section);
  }

  private applied(section: string): void {
    const { generation, hash, items } = this.sections.get(section)!;
    if (sectionHash(items) !== hash) this.problems.push(`hash of ${section} at ${generation}`);
    this.send({ $case: 'applied', value: { section, generation, hash, errors: [], applyUs: 1 } });
  }
}

/** For what never comes: machines differ tenfold. */
const BOUND_MS = 60_000;

/** Polls until it holds; fails with what it waited for. */
export const until = async (what: string, holds: () => boolean): Promise<void> => {
  const start = performance.now();
  while (!holds()) {
    if (performance.now() - start > BOUND_MS) throw new Error(`not within ${BOUND_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
