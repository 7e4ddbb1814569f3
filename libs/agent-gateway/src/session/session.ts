import { failpointNow } from '#kernel';
import type { Cancel } from '#kernel';
import type { agentV1 } from '#proto';
import { planResume, planUpdate, type Plan, type SentState } from '../desired/plan.js';
import { fits, trimmed } from './bounds.js';
import { Outbox } from './outbox.js';
import type { AgentStream, AgentStreamHandlers, Outgoing, Peer } from './stream.js';

type Up = NonNullable<agentV1.SyncRequest['message']>;

/** What a session needs of the hub it belongs to. */
export interface SessionHost {
  readonly storeEpoch: string;
  readonly helloDeadlineMs: number;
  after(delayMs: number, run: () => void): Cancel;
  /** Hello arrived: decide whether this stream may live. */
  opened(session: Session): void;
  heard(session: Session, message: Up): void;
  ended(session: Session): void;
  /** Bulk has left and the desired state changed meanwhile. */
  wantsUpdate(session: Session): void;
  encode(messages: Plan['messages']): Outgoing[];
}

/** More than this before the platform said Welcome is not an agent of ours. */
const MAX_EARLY = 256;

/** One Sync stream: opening (no Hello yet) → waiting (not admitted yet) → live → ended. */
export class Session implements AgentStreamHandlers {
  hello: agentV1.Hello | undefined;
  state: 'opening' | 'waiting' | 'live' | 'ended' = 'opening';
  /** Monotonic milliseconds of the last beat on this very stream. */
  lastBeatMs = -Infinity;
  private readonly outbox: Outbox;
  private readonly early: Up[] = [];
  private readonly cancelDeadline: Cancel;
  private sent: SentState | undefined;
  private dirty = false;

  constructor(
    readonly peer: Peer,
    private readonly stream: AgentStream,
    private readonly host: SessionHost,
  ) {
    this.outbox = new Outbox(stream, () => {
      if (this.dirty) host.wantsUpdate(this);
    });
    this.cancelDeadline = host.after(host.helloDeadlineMs, () => {
      if (this.state === 'opening') this.bye('hello_expected', `no Hello within ${host.helloDeadlineMs} ms`);
    });
  }

  onMessage({ message: received }: agentV1.SyncRequest): void {
    // An unknown message of a newer agent.
    if (received === undefined || this.state === 'ended') return;
    if (!fits(received)) return this.bye('malformed', `a field of ${received.$case} is too long`);
    const message = trimmed(received);
    if (this.state === 'live') return this.host.heard(this, message);
    if (this.state === 'waiting') {
      if (this.early.push(message) > MAX_EARLY) this.bye('too_many_messages', 'wait for Welcome');
      return;
    }
    if (message.$case !== 'hello') return this.bye('hello_expected', 'the first message of a stream must be Hello');
    this.hello = message.value;
    this.state = 'waiting';
    this.cancelDeadline();
    this.host.opened(this);
  }

  onEnd(): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.cancelDeadline();
    this.outbox.close();
    this.sent = undefined;
    this.host.ended(this);
  }

  /** Admitted: says Welcome, then handles what came early. The first update is the snapshot. */
  welcome(welcome: agentV1.Welcome): void {
    this.state = 'live';
    this.priority({ message: { $case: 'welcome', value: welcome } });
    this.host.wantsUpdate(this);
    for (const message of this.early.splice(0)) this.host.heard(this, message);
  }

  /** Hello again on a live stream: the agent's sections are not what was assumed, so the whole truth is sent again. */
  resync(hello: agentV1.Hello): void {
    this.hello = hello;
    this.sent = undefined;
    this.host.wantsUpdate(this);
  }

  /** True when nothing is on its way, so that what is compiled now can be sent now; otherwise it is remembered. */
  ready(): boolean {
    if (this.state !== 'live') return false;
    if (!this.outbox.idle) {
      this.dirty = true;
      return false;
    }
    return true;
  }

  /**
   * Sends the difference between what was sent last and what is wanted now; answers the sections that changed. A first
   * snapshot is no change: its generation is this agent's own and nothing settles with it.
   */
  update(wanted: Parameters<typeof planUpdate>[2], generation: bigint): readonly string[] {
    this.dirty = false;
    const first = this.sent === undefined;
    const plan =
      this.sent === undefined
        ? planResume(this.host.storeEpoch, this.hello!, wanted, generation)
        : planUpdate(this.host.storeEpoch, this.sent, wanted, generation);
    this.sent = plan.sent;
    failpointNow(first ? 'push.snapshot_planned' : 'push.delta_planned');
    this.outbox.enqueue(this.host.encode(plan.messages));
    failpointNow(first ? 'push.snapshot_queued' : 'push.delta_queued');
    return first ? [] : plan.changed;
  }

  /** Generations of what the agent has, or will have when everything sent so far has arrived. */
  sentGenerations(): ReadonlyMap<string, bigint> {
    return new Map([...(this.sent ?? [])].map(([name, { generation }]) => [name, generation]));
  }

  priority(message: Outgoing): void {
    if (this.state !== 'live') return;
    if (!this.outbox.priority(message)) this.bye('too_slow', 'the agent does not read its priority messages');
  }

  /** Says why and ends the stream. */
  bye(code: string, message: string, wipe = false): void {
    if (this.state === 'ended') return;
    this.stream.send({ message: { $case: 'bye', value: { code, message, wipe } } }, () => undefined);
    this.stream.end();
    this.onEnd();
  }
}
