import { failpointNow } from '#kernel';
import type { AgentStream, Outgoing } from './stream.js';

/** Beyond this many unflushed priority messages the agent does not read any more. */
const MAX_PRIORITY = 1_024;

/**
 * The two lanes to one agent. Priority messages go out at once. Bulk goes one message at a time, so that a priority message
 * waits for at most one of them, and a slow agent holds back only its own next compile.
 */
export class Outbox {
  private readonly bulk: Outgoing[] = [];
  private bulkInFlight = false;
  private priorityInFlight = 0;
  private closed = false;

  constructor(
    private readonly stream: AgentStream,
    /** Everything bulk has left: the moment to compile what changed meanwhile. */
    private readonly onIdle: () => void,
  ) {}

  get idle(): boolean {
    return !this.bulkInFlight && this.bulk.length === 0;
  }

  /** False when the agent has stopped reading; its stream is of no use then. */
  priority(message: Outgoing): boolean {
    if (this.closed) return true;
    if (this.priorityInFlight >= MAX_PRIORITY) return false;
    this.priorityInFlight++;
    failpointNow('push.priority_sending');
    this.stream.send(message, () => void this.priorityInFlight--);
    failpointNow('push.priority_sent');
    return true;
  }

  enqueue(messages: Iterable<Outgoing>): void {
    if (this.closed) return;
    this.bulk.push(...messages);
    this.pump();
  }

  close(): void {
    this.closed = true;
    this.bulk.length = 0;
  }

  private pump(): void {
    if (this.bulkInFlight || this.closed) return;
    const next = this.bulk.shift();
    if (next === undefined) return;
    this.bulkInFlight = true;
    failpointNow('push.bulk_sending');
    this.stream.send(next, () => {
      this.bulkInFlight = false;
      if (this.closed) return;
      if (this.bulk.length > 0) this.pump();
      else this.onIdle();
    });
    failpointNow('push.bulk_sent');
  }
}
