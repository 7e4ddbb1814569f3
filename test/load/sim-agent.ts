import { credentials, type ClientDuplexStream } from '@grpc/grpc-js';
import { backoffMs, systemRandom, systemTimers, type Cancel } from '#kernel';
import { agentV1, applyDiff, sectionHash } from '#proto';

export interface SimIdentity {
  readonly instanceId: string;
  readonly keyPem: string;
  readonly certPem: string;
  readonly caPem: string;
}

export interface SimHooks {
  readonly converged: (agent: SimAgent) => void;
  /** A section came whole. */
  readonly section: () => void;
  /** An item was applied and its receipt sent. */
  readonly item: (agent: SimAgent, key: string, value: Uint8Array) => void;
  readonly problem: (text: string) => void;
}

interface Local {
  generation: bigint;
  hash: string;
  items: Map<string, Uint8Array>;
}

/** An agent without a node behind it: the whole session of the real protocol, checked as strictly, applied to nothing. */
export class SimAgent {
  private readonly sections = new Map<string, Local>();
  private readonly client: agentV1.AgentServiceClient;
  private call: ClientDuplexStream<agentV1.SyncRequest, agentV1.SyncResponse> | undefined;
  private beating: Cancel | undefined;
  private storeEpoch = '';
  private seq = 0n;
  private attempt = 0;

  constructor(
    address: string,
    readonly identity: SimIdentity,
    private readonly hooks: SimHooks,
  ) {
    const { caPem, keyPem, certPem } = identity;
    const tls = credentials.createSsl(Buffer.from(caPem), Buffer.from(keyPem), Buffer.from(certPem));
    this.client = new agentV1.AgentServiceClient(address, tls, {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2_000,
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
    });
  }

  connect(): void {
    const call = this.client.sync();
    this.call = call;
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      this.beating?.();
      this.call = undefined;
      const wait = backoffMs(this.attempt++, () => systemRandom.unit(), 200, 2_000);
      systemTimers.after(wait, () => this.connect());
    };
    call.on('data', ({ message }: agentV1.SyncResponse) => this.receive(message));
    call.on('error', end);
    call.on('end', end);
    const sections = [...this.sections].map(([name, { generation, hash }]) => ({ name, generation, hash }));
    const hello = { protocolVersion: 1, bootId: 'sim', startCounter: 1n, storeEpoch: this.storeEpoch, sections };
    this.send({ $case: 'hello', value: agentV1.Hello.fromPartial(hello) });
  }

  private send(message: NonNullable<agentV1.SyncRequest['message']>): void {
    this.call?.write({ message });
  }

  private receive(message: agentV1.SyncResponse['message']): void {
    switch (message?.$case) {
      case 'welcome':
        this.storeEpoch = message.value.storeEpoch;
        this.attempt = 0;
        return this.beatEvery(message.value.beatMs);
      case 'snapshot':
        return this.snapshot(message.value);
      case 'delta':
        return this.delta(message.value);
    }
  }

  private beatEvery(ms: number): void {
    this.beating?.();
    // Spread over the interval, as a thousand machines that were not started by one loop would be.
    this.beating = systemTimers.after(systemRandom.unit() * ms, () => {
      this.beating = systemTimers.every(ms, () =>
        this.send({
          $case: 'heartbeat',
          value: { seq: ++this.seq, uptimeMs: 1_000n, load1m: 0.5, memoryFreeBytes: 1_000_000_000n },
        }),
      );
    });
  }

  private snapshot({ sections, unchanged, complete }: agentV1.Snapshot): void {
    for (const { name, generation, hash, items } of sections) {
      this.keep(name, { generation, hash, items: new Map(Object.entries(items)) });
      this.hooks.section();
      for (const [key, value] of Object.entries(items)) this.hooks.item(this, key, value);
    }
    if (!complete) return;
    const named = new Set([...unchanged, ...sections.map((s) => s.name)]);
    for (const name of this.sections.keys()) if (!named.has(name)) this.sections.delete(name);
    this.hooks.converged(this);
  }

  private delta({ section, baseGeneration, generation, hash, put, remove }: agentV1.Delta): void {
    const local = this.sections.get(section);
    if (local?.generation !== baseGeneration) return this.hooks.problem(`base of ${section}`);
    const diff = { put: new Map<string, Uint8Array>(Object.entries(put)), remove };
    this.keep(section, { generation, hash, items: applyDiff(local.items, diff) });
    for (const [key, value] of diff.put) this.hooks.item(this, key, value);
  }

  /** Checks what was applied. Not on receipt: a thousand agents share this process, and none of them should wait for it. */
  /** What it holds under this key, in any section. */
  valuesOf(key: string): Uint8Array[] {
    return [...this.sections.values()].flatMap(({ items }) => items.get(key) ?? []);
  }

  verify(): void {
    for (const [name, { items, hash }] of this.sections) {
      if (sectionHash(items) !== hash) this.hooks.problem(`hash of ${name}`);
    }
  }

  private keep(section: string, local: Local): void {
    this.sections.set(section, local);
    const { generation, hash } = local;
    this.send({ $case: 'applied', value: { section, generation, hash, errors: [], applyUs: 50 } });
  }
}
