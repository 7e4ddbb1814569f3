import { viewOf, type EventView } from '#audit';
import type { Position, RecordedEvent } from '#event-store';

/** An event as consumers see it: what recent_events shows, and what a stream of several entities or accounts needs besides. */
export interface ConsumerEvent extends EventView {
  readonly recorded_at: string;
  readonly account_id: string;
  /** The entity's id. */
  readonly stream: string;
}

export const consumerView = (event: RecordedEvent): ConsumerEvent => ({
  ...viewOf(event),
  recorded_at: event.recordedAt,
  account_id: event.meta.accountId,
  stream: event.stream,
});

/** How a surface writes: the same bytes for every consumer that may see the event under the same cursor. */
export interface Encoding {
  readonly name: 'sse' | 'grpc';
  event(entry: Entry, cursor: string): Buffer;
  /** Progress without an event; `live` when what follows is live. */
  checkpoint(cursor: string, live: boolean): Buffer;
}

/**
 * An event of the log with what has been made of it, so that a thousand consumers cost one encoding. An event belongs to one
 * account, so at most two scopes (that account, and all) times two surfaces are kept.
 */
export class Entry {
  private readonly frames = new Map<string, Buffer>();
  private text: string | undefined;
  readonly position: Position;

  constructor(readonly event: RecordedEvent) {
    this.position = event.position;
  }

  get view(): ConsumerEvent {
    return consumerView(this.event);
  }

  /** The view as JSON. */
  get json(): string {
    return (this.text ??= JSON.stringify(this.view));
  }

  frame(encoding: Encoding, scope: string, cursorOf: () => string): Buffer {
    const key = `${encoding.name} ${scope}`;
    let frame = this.frames.get(key);
    if (frame === undefined) this.frames.set(key, (frame = encoding.event(this, cursorOf())));
    return frame;
  }
}
