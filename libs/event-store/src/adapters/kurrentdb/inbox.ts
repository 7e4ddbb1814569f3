import type { ClientReadableStream } from '@grpc/grpc-js';
import type { ReadResp } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js';
import { sleep, type Timers } from '#kernel';
import { readMessage, type RawEvent, type ReadMessage } from './messages.js';
import { BATCH_BYTES, letGo } from './reader.js';

/** What was taken at once: events, and the last checkpoint among or after them. */
export interface Taken {
  readonly events: readonly RawEvent[];
  /** Everything up to here was sent, and is in `events` or was taken before. */
  readonly checkpoint?: bigint;
  readonly caughtUp: boolean;
}

/** How long a subscription that reads the past waits for its batch to fill. */
const LINGER_MS = 20;

/**
 * What the server has sent of a subscription and nobody has taken yet. It holds about one batch: then the call is
 * paused, the connection's window for it fills, and the server stops sending.
 */
export class Inbox {
  private queue: ReadMessage[] = [];
  private bytes = 0;
  private failure: { readonly error: unknown } | undefined;
  private wake = (): void => undefined;
  private live = false;

  constructor(
    private readonly call: ClientReadableStream<ReadResp>,
    private readonly batchSize: number,
    private readonly timers: Timers,
    private readonly signal: AbortSignal,
  ) {
    call.on('data', this.receive);
    call.on('error', this.fail);
    call.on('end', () => this.fail(new Error('the server ended the subscription')));
    signal.addEventListener('abort', this.stop, { once: true });
    if (signal.aborted) this.stop();
  }

  /** The next batch; what is there alone after `idleMs` without anything. Undefined when aborted. Throws when it broke. */
  async take(idleMs: number): Promise<Taken | undefined> {
    if (this.queue.length === 0) await this.changed(idleMs);
    if (!this.live && !this.isFull() && this.queue.length > 0) await this.changed(LINGER_MS, () => this.isFull());
    if (this.signal.aborted) return undefined;
    if (this.queue.length === 0 && this.failure !== undefined) throw this.failure.error;
    return this.takeOut();
  }

  close(): void {
    this.signal.removeEventListener('abort', this.stop);
    letGo(this.call);
  }

  private takeOut(): Taken {
    const events: RawEvent[] = [];
    let [checkpoint, caughtUp, taken, size]: [bigint | undefined, boolean, number, number] = [undefined, false, 0, 0];
    for (const message of this.queue) {
      if (message.kind === 'event') {
        const bytes = sizeOf(message.event);
        if (events.length >= this.batchSize || (events.length > 0 && size + bytes > BATCH_BYTES)) break;
        size += bytes;
        events.push(message.event);
      } else if (message.kind === 'checkpoint') checkpoint = message.position;
      else caughtUp = true;
      taken++;
    }
    this.queue = this.queue.slice(taken);
    this.bytes -= size;
    this.live ||= caughtUp;
    if (!this.isFull()) this.call.resume();
    return { events, caughtUp, ...(checkpoint === undefined ? {} : { checkpoint }) };
  }

  private isFull(): boolean {
    return this.queue.length >= this.batchSize || this.bytes >= BATCH_BYTES || this.queue.at(-1)?.kind === 'caught_up';
  }

  private readonly receive = (answer: ReadResp): void => {
    const message = readMessage(answer);
    if (message === undefined) return;
    this.queue.push(message);
    if (message.kind === 'event') this.bytes += sizeOf(message.event);
    if (this.queue.length >= this.batchSize || this.bytes >= BATCH_BYTES) this.call.pause();
    this.wake();
  };

  private readonly fail = (error: unknown): void => {
    this.failure ??= { error };
    this.wake();
  };

  private readonly stop = (): void => {
    letGo(this.call);
    this.wake();
  };

  /** Resolves when something has come (and `enough` holds), the call has ended, or the time is over. */
  private async changed(withinMs: number, enough: () => boolean = () => true): Promise<void> {
    const over = new AbortController();
    const settled = () => this.failure !== undefined || this.signal.aborted || (this.queue.length > 0 && enough());
    this.wake = () => {
      if (settled()) over.abort();
    };
    this.wake();
    await sleep(this.timers, withinMs, over.signal);
    this.wake = () => undefined;
  }
}

const sizeOf = (event: RawEvent): number => event.data.length + event.metadata.length;
