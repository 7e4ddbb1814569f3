import {
  errorMessage,
  refusal,
  RefusedError,
  type Clock,
  type EventCatalogue,
  type Log,
  type Random,
  type Refusal,
  type Timers,
} from '#kernel';
import type { EventStore, RecordedEvent } from '#event-store';
import type { CursorCodec } from '#tools';
import { Gate } from './feed/gate.js';
import { Tail } from './feed/tail.js';
import { ALL_ACCOUNTS_PERMISSION, readRequest, READ_PERMISSION, type Wanted } from './subscription/request.js';
import { Seats, type SeatLimits } from './subscription/seats.js';
import { Subscription } from './subscription/subscription.js';
import { TokenWatch, type TokenAuthority } from './subscription/token-watch.js';
import type { Wire } from './subscription/wire.js';

export interface EventStreamOptions {
  readonly store: EventStore;
  readonly authority: TokenAuthority;
  readonly cursors: CursorCodec;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly catalogue: Pick<EventCatalogue, 'current' | 'types'>;
  readonly limits: SeatLimits;
  /** A consumer that takes nothing for so long is cut; 30 s by default. */
  readonly stallMs?: number;
  /** What stays unread so long after the end is dropped with the connection; 5 s by default. */
  readonly graceMs?: number;
  /** Size of the ring of newest events; 4,096 events and 16 Mi characters by default. */
  readonly ring?: { readonly maxEntries: number; readonly maxChars: number };
}

const RING = { maxEntries: 4_096, maxChars: 16 * 1024 * 1024 };
const STALL_MS = 30_000;
const GRACE_MS = 5_000;
/** Consumers far behind read the log; more at once would only take connections from everybody else. */
const CATCH_UP_READS = 3;

/** A consumer that was let in and has a seat. Call exactly one of the two. */
export interface Admitted {
  /** Until the stream ends; never rejects. */
  serve(wire: Wire): Promise<void>;
  abandon(): void;
}

/** The event log for consumers: one per process, under every surface. */
export class EventStream {
  readonly tail: Tail;
  readonly catchUp = new Gate(CATCH_UP_READS);
  private readonly seats: Seats;
  private readonly tokens: TokenWatch;
  private readonly open = new Set<Subscription>();
  private stopped = false;
  /** Every kind of event of this build, so that a misspelt filter is refused. */
  readonly kinds: readonly string[];
  readonly current: (event: RecordedEvent) => RecordedEvent;

  constructor(private readonly options: EventStreamOptions) {
    const { store, timers, log } = options;
    this.kinds = options.catalogue.types().filter((type) => !type.startsWith('system.pm.'));
    this.current = readable(options.catalogue, log);
    this.tail = new Tail({ store, timers, log, current: this.current, ...(options.ring ?? RING) });
    this.seats = new Seats(options.limits);
    this.tokens = new TokenWatch(options);
  }

  get consumers(): number {
    return this.seats.count;
  }

  /** Handed to transports and not yet taken by their consumers. */
  get pendingBytes(): number {
    return [...this.open].reduce((sum, subscription) => sum + subscription.pendingBytes, 0);
  }

  /** Lets a consumer in. `given` holds the filters and the cursor as the surface got them. Refuses with RefusedError. */
  async admit(token: string | undefined, given: Readonly<Record<string, unknown>>): Promise<Admitted> {
    if (this.stopped) throw new RefusedError(stopping);
    const principal = token === undefined ? undefined : await this.options.authority.authenticate(token);
    if (token === undefined || principal === undefined) throw new RefusedError(unauthorized(token));
    const wanted = readRequest(given, principal, this.options.cursors, this.kinds);
    const leaveSeat = this.seats.take(principal.accountId);
    try {
      await this.tail.acquire();
    } catch (error) {
      leaveSeat();
      throw error;
    }
    let left = false;
    const leave = () => {
      if (left) return;
      left = true;
      leaveSeat();
      this.tail.release();
    };
    const needed =
      wanted.filter.accountId === principal.accountId ? [READ_PERMISSION] : [READ_PERMISSION, ALL_ACCOUNTS_PERMISSION];
    const watch = (cut: (reason: Refusal) => void) => this.tokens.watch(token, principal, needed, cut);
    return { abandon: leave, serve: (wire) => this.serve(wanted, wire, watch).finally(leave) };
  }

  /** Cuts every consumer, so that they resume elsewhere. */
  stop(): void {
    this.stopped = true;
    for (const subscription of [...this.open]) subscription.cut(stopping);
    this.tokens.stop();
  }

  private async serve(
    wanted: Wanted,
    wire: Wire,
    watch: (cut: (reason: Refusal) => void) => () => void,
  ): Promise<void> {
    const { log, timers } = this.options;
    const shared = {
      ...this.options,
      tail: this.tail,
      catchUp: this.catchUp,
      current: this.current,
      stallMs: this.options.stallMs ?? STALL_MS,
    };
    const subscription = new Subscription(shared, wanted, wire);
    this.open.add(subscription);
    if (this.stopped) subscription.cut(stopping);
    const unwatch = watch((reason) => subscription.cut(reason));
    try {
      const reason = await subscription.run();
      if (reason !== undefined) this.end(wire, reason);
    } catch (error) {
      log.warn({ error: errorMessage(error) }, 'consumers: a stream ended because the log could not be read');
      this.end(wire, unavailable);
    } finally {
      unwatch();
      this.open.delete(subscription);
    }
    if (wire.closed.aborted) return;
    const cancel = timers.after(this.options.graceMs ?? GRACE_MS, () => wire.kill());
    wire.closed.addEventListener('abort', cancel, { once: true });
  }

  private end(wire: Wire, reason: Refusal): void {
    this.options.log.info({ code: reason.code, surface: wire.encoding.name }, 'consumers: a stream was cut');
    wire.end(reason);
  }
}

/** Nothing is folded from what consumers are shown, so an event of a later build is shown as it is stored, and stops nobody. */
const readable =
  (catalogue: Pick<EventCatalogue, 'current'>, log: Log) =>
  (event: RecordedEvent): RecordedEvent => {
    try {
      return catalogue.current(event);
    } catch (error) {
      log.debug({ error: errorMessage(error), type: event.type }, 'consumers: shown as it is stored');
      return event;
    }
  };

const RESUME = 'connect again with the last cursor: nothing is lost';
const stopping = refusal(503, 'platform_stopping', 'this platform process stops', { hint: RESUME });
const unavailable = refusal(503, 'event_store_unavailable', 'the event store does not answer', { hint: RESUME });

const unauthorized = (token: string | undefined): Refusal =>
  token === undefined
    ? refusal(401, 'missing_token', 'this needs a bearer token', {
        field: 'authorization',
        hint: 'send "authorization: Bearer TOKEN"',
      })
    : refusal(401, 'invalid_token', 'the token is unknown, expired or revoked', { field: 'authorization' });

export const EVENT_STREAM = Symbol('EventStream');
