import { backoffMs, errorMessage, type Cancel } from '#kernel';
import type { agentV1 } from '#proto';
import type { AgentConnection, AgentPorts, SyncStream } from '../ports.js';

export interface SessionHooks {
  open(): AgentConnection;
  hello(): Promise<agentV1.Hello>;
  /** The platform has welcomed the agent. */
  welcomed(welcome: agentV1.Welcome): void;
  /** Everything that is not the session's own. */
  message(message: NonNullable<agentV1.SyncResponse['message']>): void;
}

const FIRST_CAP_MS = 2_000;
const LATER_CAP_MS = 15_000;
const PATIENT_AFTER_MS = 30_000;
/** How many beats the platform may leave unanswered before the stream counts as dead. */
const SILENT_BEATS = 10;
const SILENT_MIN_MS = 5_000;

/** The Sync stream: opened, kept, and opened again. Never ends by itself. */
export class Session {
  private connection: AgentConnection | undefined;
  private stream: SyncStream | undefined;
  private beat: Cancel | undefined;
  private retry: Cancel | undefined;
  private seq = 0n;
  private attempt = 0;
  private downSince: number | undefined;
  private heardAt = 0;
  private beatMs = 1_000;
  private generation = 0;
  private stopped = false;

  constructor(
    private readonly ports: AgentPorts,
    private readonly hooks: SessionHooks,
  ) {}

  start(): void {
    this.downSince = this.ports.clock.monotonicMs();
    void this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.retry?.();
    this.disconnect();
  }

  /** Reconnects, e.g. with a renewed certificate. */
  restart(reason: string): void {
    if (!this.stopped) this.ended(this.generation, reason);
  }

  current(): AgentConnection | undefined {
    return this.stream === undefined ? undefined : this.connection;
  }

  /** Dropped while there is no stream: everything sent here is repeated after the next welcome. */
  send(message: agentV1.SyncRequest): void {
    this.stream?.send(message);
  }

  async sayHello(): Promise<void> {
    this.send({ message: { $case: 'hello', value: await this.hooks.hello() } });
  }

  private async connect(): Promise<void> {
    const generation = ++this.generation;
    try {
      const hello = await this.hooks.hello();
      if (this.stopped || generation !== this.generation) return;
      this.connection = this.hooks.open();
      this.heardAt = this.ports.clock.monotonicMs();
      this.stream = this.connection.sync({
        onMessage: (message) => this.receive(generation, message),
        onEnd: (reason) => this.ended(generation, reason),
      });
      this.stream.send({ message: { $case: 'hello', value: hello } });
      this.setBeat(this.beatMs);
    } catch (error) {
      this.ended(generation, errorMessage(error));
    }
  }

  private receive(generation: number, response: agentV1.SyncResponse): void {
    if (generation !== this.generation || response.message === undefined) return;
    this.heardAt = this.ports.clock.monotonicMs();
    const { message } = response;
    if (message.$case === 'heartbeatAck') return;
    try {
      if (message.$case === 'welcome') this.welcome(message.value);
      else this.hooks.message(message);
    } catch (error) {
      // One message that cannot be understood must not cost the stream, and with it everything else.
      this.ports.log.error({ kind: message.$case, error: errorMessage(error) }, 'message refused');
    }
  }

  private welcome(welcome: agentV1.Welcome): void {
    const first = this.downSince !== undefined;
    this.downSince = undefined;
    this.attempt = 0;
    if (welcome.beatMs > 0) this.setBeat(welcome.beatMs);
    if (first) this.ports.log.info({ beat_ms: welcome.beatMs, lease_ms: welcome.leaseMs }, 'connected');
    this.hooks.welcomed(welcome);
  }

  private setBeat(beatMs: number): void {
    this.beat?.();
    this.beatMs = beatMs;
    this.beat = this.ports.timers.every(beatMs, () => this.heartbeat());
    this.heartbeat();
  }

  private heartbeat(): void {
    const silent = this.ports.clock.monotonicMs() - this.heardAt;
    if (silent > Math.max(SILENT_MIN_MS, SILENT_BEATS * this.beatMs))
      return this.ended(this.generation, `no word from the platform for ${Math.round(silent)} ms`);
    const { host } = this.ports;
    const value: agentV1.Heartbeat = {
      seq: ++this.seq,
      uptimeMs: BigInt(host.uptimeMs()),
      load1m: host.load1m(),
      memoryFreeBytes: BigInt(host.memoryFreeBytes()),
    };
    this.send({ message: { $case: 'heartbeat', value } });
  }

  private ended(generation: number, reason: string): void {
    if (generation !== this.generation || this.stopped) return;
    this.generation++;
    this.disconnect();
    const now = this.ports.clock.monotonicMs();
    this.downSince ??= now;
    const cap = now - this.downSince < PATIENT_AFTER_MS ? FIRST_CAP_MS : LATER_CAP_MS;
    const wait = Math.min(
      cap,
      backoffMs(this.attempt++, () => this.ports.random.unit(), 200, cap),
    );
    this.ports.log.warn({ reason, retry_in_ms: wait }, 'not connected to the platform');
    this.retry = this.ports.timers.after(wait, () => void this.connect());
  }

  private disconnect(): void {
    this.beat?.();
    const { stream, connection } = this;
    this.stream = undefined;
    this.connection = undefined;
    stream?.close();
    connection?.close();
  }
}
