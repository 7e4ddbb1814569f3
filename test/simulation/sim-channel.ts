import type { Random } from '#kernel';
import { agentV1 } from '#proto';
import type { AgentStream, AgentStreamHandlers, Outgoing } from '../../libs/agent-gateway/src/session/stream.js';
import type { SyncHandlers, SyncStream } from '../../agent/src/ports.js';
import type { SimClock, Zone } from './sim-clock.js';

export interface ChannelOptions {
  readonly clock: SimClock;
  readonly random: Random;
  readonly agent: Zone;
  readonly platform: Zone;
  /** A message is under way for that long at most. */
  delayMs(): number;
  /** Until when nothing gets through either way. */
  cutUntil(): number;
  /** True when the agent is to refuse this message: the stream goes on without it. */
  refuses(message: agentV1.SyncResponse): boolean;
  readonly handlers: SyncHandlers;
  sniffUp(message: agentV1.SyncRequest): void;
  sniffDown(message: agentV1.SyncResponse): void;
}

const decode = (message: Outgoing): agentV1.SyncResponse =>
  'bytes' in message ? agentV1.SyncResponse.decode(message.bytes) : message;

/** One Sync stream: ordered and reliable both ways, until it breaks. */
export class SimChannel {
  open = true;
  bulkInFlight = 0;
  private server: AgentStreamHandlers | undefined;
  private upAt = 0;
  private downAt = 0;

  constructor(private readonly o: ChannelOptions) {}

  /** The platform's end; `accept` makes a session of it. */
  accept(accept: (stream: AgentStream) => AgentStreamHandlers): void {
    this.server = accept({
      send: (message, flushed) => this.down(decode(message), flushed),
      end: () => this.break('the platform ended the stream'),
    });
  }

  agentEnd(): SyncStream {
    return { send: (message) => this.up(message), close: () => this.break('closed by the agent') };
  }

  break(reason: string): void {
    if (!this.open) return;
    this.open = false;
    const { agent, platform, handlers } = this.o;
    platform.after(this.delay(), () => this.server?.onEnd());
    agent.after(this.delay(), () => handlers.onEnd(reason));
  }

  private up(message: agentV1.SyncRequest): void {
    if (!this.open || !this.o.agent.alive) return;
    this.o.sniffUp(message);
    this.upAt = this.arrival(this.upAt);
    this.o.clock.schedule(this.upAt, () =>
      this.o.platform.after(0, () => {
        if (this.open) this.server?.onMessage(message);
      }),
    );
  }

  private down(message: agentV1.SyncResponse, flushed: () => void): void {
    if (!this.open || !this.o.platform.alive) return flushed();
    this.o.sniffDown(message);
    const bulk = message.message?.$case === 'snapshot' || message.message?.$case === 'delta';
    if (bulk) this.bulkInFlight++;
    this.o.platform.after(this.o.random.unit() ** 2 * 40, () => {
      if (bulk) this.bulkInFlight--;
      flushed();
    });
    this.downAt = this.arrival(this.downAt);
    this.o.clock.schedule(this.downAt, () =>
      this.o.agent.after(0, () => {
        if (this.open && !this.o.refuses(message)) this.o.handlers.onMessage(message);
      }),
    );
  }

  private arrival(last: number): number {
    return Math.max(last, this.o.cutUntil(), this.o.clock.now + this.delay());
  }

  private delay(): number {
    return 0.3 + this.o.random.unit() ** 4 * this.o.delayMs();
  }
}
