import { refusal, type Clock, type Random, type Refusal, type Timers } from '#kernel';
import type { Position } from '#event-store';
import type { CursorCodec } from '#tools';
import { nextPage, type Page, type ReaderDeps } from '../feed/reader.js';
import { Outflow } from './outflow.js';
import type { Wanted } from './request.js';
import type { Wire } from './wire.js';

export interface SubscriptionDeps extends ReaderDeps {
  readonly cursors: CursorCodec;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly timers: Timers;
  readonly random: Pick<Random, 'bytes'>;
  /** A consumer that takes nothing for so long is cut. */
  readonly stallMs: number;
}

const SALT_BYTES = 8;

const slow = (stallMs: number): Refusal =>
  refusal(429, 'slow_consumer', `nothing was read from this stream for ${Math.round(stallMs / 1000)} s`, {
    hint: 'connect again with the last cursor: nothing is lost',
  });

/**
 * One consumer: pulls pages after its own position and writes them at the pace of its flow control. It holds one page and one
 * window at most, and nobody waits for it.
 */
export class Subscription {
  private readonly ending = new AbortController();
  private reason: Refusal | undefined;
  private readonly out: Outflow;
  private at: Position;
  private live = false;
  private checkpointDueMs: number;

  constructor(
    private readonly deps: SubscriptionDeps,
    private readonly wanted: Wanted,
    private readonly wire: Wire,
  ) {
    this.out = new Outflow(wire, deps.clock, deps.timers);
    this.at = wanted.after ?? deps.tail.through;
    this.checkpointDueMs = deps.clock.monotonicMs() + wanted.checkpointMs;
  }

  get pendingBytes(): number {
    return this.out.pending;
  }

  /** Ends the stream for a reason; the first one counts. */
  cut(reason: Refusal): void {
    if (this.ending.signal.aborted) return;
    this.reason = reason;
    this.ending.abort();
  }

  /** Until the consumer goes or is cut: answers why it was cut. Throws when the store is gone. */
  async run(): Promise<Refusal | undefined> {
    const gone = () => this.ending.abort();
    this.wire.closed.addEventListener('abort', gone, { once: true });
    if (this.wire.closed.aborted) gone();
    try {
      while (!this.ending.signal.aborted) await this.turn();
    } finally {
      this.wire.closed.removeEventListener('abort', gone);
    }
    return this.reason;
  }

  private async turn(): Promise<void> {
    const { signal } = this.ending;
    const page = await nextPage(this.deps, this.wanted.filter, this.at);
    if (!(await this.send(page))) return;
    this.at = page.through;
    if (page.atHead && !this.live) {
      this.live = true;
      this.checkpoint();
    } else if (this.deps.clock.monotonicMs() >= this.checkpointDueMs) {
      this.checkpoint();
    }
    if (!page.atHead) return;
    await this.deps.tail.changed(this.at, Math.max(1, this.checkpointDueMs - this.deps.clock.monotonicMs()), signal);
  }

  /** False when the stream ended on the way. */
  private async send(page: Page): Promise<boolean> {
    const { cursors, stallMs } = this.deps;
    const { scope } = this.wanted;
    for (const entry of page.entries) {
      const room = await this.out.room(stallMs, this.ending.signal);
      if (room === 'stuck') this.cut(slow(stallMs));
      if (room !== 'room') return false;
      this.out.write(entry.frame(this.wire.encoding, scope, () => cursors.encode(scope, entry.position)));
    }
    return !this.ending.signal.aborted;
  }

  /**
   * Progress of a consumer whose filter lets little through, and proof of life. Salted: whether other accounts wrote in the
   * meantime must not show.
   */
  private checkpoint(): void {
    const { cursors, random, clock, stallMs } = this.deps;
    this.checkpointDueMs = clock.monotonicMs() + this.wanted.checkpointMs;
    if (this.out.stuckMs() >= stallMs) return this.cut(slow(stallMs));
    const cursor = cursors.encode(this.wanted.scope, this.at, random.bytes(SALT_BYTES));
    this.out.write(this.wire.encoding.checkpoint(cursor, this.live));
  }
}
