import { errorMessage, refusal, RefusedError, Serial, sleep, systemClock, systemTimers } from '#kernel';
import type { ForkOutcome, ForkRequest, Forks } from '#audit';
import type { Position } from '#event-store';
import type { Foundation } from '../foundation.js';
import { Fork, type ForkBase } from './fork.js';

export interface ForkBounds {
  /** Of a whole call in real time, from when it came in: waiting for others, catching up with the log, and the prediction. */
  readonly callMs: number;
  /** Of these, what is kept for the prediction. */
  readonly runMs: number;
  /** A fork that nobody asked for in this time is let go, with its memory. */
  readonly idleMs: number;
  /** Events that are folded in one go: between two of these a call can be stopped, and the platform does other things. */
  readonly pageEvents: number;
}
const BOUNDS: ForkBounds = { callMs: 20_000, runMs: 5_000, idleMs: 600_000, pageEvents: 2_000 };
const MAX_EVENTS = 5_000;
/** One at a time, because each is a whole platform in memory; those who would wait for more than these are sent away. */
const MAX_WAITING = 4;
/** After each page that is folded while nobody waits, the platform has as long for itself, and at least this. */
const BREATH_MS = 20;

type Platform = Pick<Foundation, 'config' | 'log' | 'store' | 'catalogue' | 'access' | 'cursors' | 'gateway'>;

/**
 * Forks of this platform at its newest event, one after another. A call uses one up. The next is folded while nobody waits for it and
 * follows the log when it is needed, so that a call reads only what is new.
 */
export class PlatformForks implements Forks {
  private readonly turns = new Serial();
  private readonly closing = new AbortController();
  private waiting = 0;
  private next: Fork | undefined;
  private preparing: Promise<void> | undefined;
  private usedAtMs = systemClock.monotonicMs();
  private cancelIdle: (() => void) | undefined;

  constructor(
    private readonly platform: Platform,
    private readonly contexts: Pick<ForkBase, 'failover' | 'services'>,
    private readonly bounds: ForkBounds = BOUNDS,
  ) {}

  async try(request: ForkRequest): Promise<ForkOutcome> {
    if (this.waiting >= MAX_WAITING) {
      const hint = 'call again in a moment';
      throw new RefusedError(refusal(429, 'too_many_forks', `${this.waiting} what_if calls are waiting`, { hint }));
    }
    const cameMs = systemClock.monotonicMs();
    this.waiting++;
    return this.turns.run(() => this.run(request, cameMs)).finally(() => this.waiting--);
  }

  /** Whether the next call finds a fork that only has to follow the log. */
  get isPrepared(): boolean {
    return this.preparing === undefined && this.next !== undefined;
  }

  /** Nest's end of the platform. */
  async onModuleDestroy(): Promise<void> {
    this.closing.abort();
    this.cancelIdle?.();
    await this.preparing;
    await this.turns.run(() => this.drop());
  }

  private async run(request: ForkRequest, cameMs: number): Promise<ForkOutcome> {
    this.usedAtMs = cameMs;
    const { callMs, runMs } = this.bounds;
    const late = (boundMs: number) => systemClock.monotonicMs() - cameMs > boundMs;
    const fork = await this.caughtUp(() => late(callMs - runMs));
    this.next = undefined;
    const expired = () => {
      if (late(callMs)) return `it took more than ${callMs / 1000} s of real time`;
      return fork.appendedCount > MAX_EVENTS ? `more than ${MAX_EVENTS} events followed` : undefined;
    };
    try {
      await fork.begin();
      return await fork.run(request, expired);
    } finally {
      await this.close(fork);
      this.prepare();
    }
  }

  /** The next fork at the log's end. What was folded when time is up is kept for the next call. */
  private async caughtUp(late: () => boolean): Promise<Fork> {
    const head = await this.platform.store.head();
    for (;;) {
      const fork = await this.nextFork();
      const isThere = await this.fold(fork, head);
      if (isThere && !fork.stale) return fork;
      if (fork.stale) await this.drop();
      // Not before a page was read: calls that come late in turn get on all the same.
      if (late()) throw notReady(this.next?.foldedTo ?? 0n, head);
    }
  }

  private async nextFork(): Promise<Fork> {
    return (this.next ??= await Fork.prepare(this.base()));
  }

  /** A fork that failed on a page has folded half of it and is of no use any more. */
  private async fold(fork: Fork, head: Position): Promise<boolean> {
    try {
      return await fork.foldPage(head, this.bounds.pageEvents);
    } catch (error) {
      await this.drop();
      throw error;
    }
  }

  /** Folds the next fork while nobody waits: a call that comes meanwhile has its turn after the page. */
  private prepare(): void {
    this.watchIdle();
    if (this.closing.signal.aborted) return;
    this.preparing ??= this.prepareInPages()
      .catch((error: unknown) => {
        if (!this.closing.signal.aborted)
          this.platform.log.warn({ error: errorMessage(error) }, 'the next fork was not prepared');
      })
      .finally(() => (this.preparing = undefined));
  }

  private async prepareInPages(): Promise<void> {
    for (let done = false; !done && !this.closing.signal.aborted;) {
      const startedMs = systemClock.monotonicMs();
      const page = async () => this.fold(await this.nextFork(), await this.platform.store.head());
      done = await this.turns.run(page);
      const tookMs = systemClock.monotonicMs() - startedMs;
      if (!done) await sleep(systemTimers, Math.max(BREATH_MS, tookMs), this.closing.signal);
    }
  }

  private watchIdle(): void {
    this.cancelIdle?.();
    this.cancelIdle = systemTimers.after(this.bounds.idleMs, () => {
      const isIdle = () => systemClock.monotonicMs() - this.usedAtMs >= this.bounds.idleMs - 1;
      void this.turns.run(async () => (isIdle() ? this.drop() : undefined));
    });
  }

  private async drop(): Promise<void> {
    const { next } = this;
    this.next = undefined;
    if (next !== undefined) await this.close(next);
  }

  private close(fork: Fork): Promise<void> {
    return fork.close().catch((error: unknown) => {
      this.platform.log.warn({ error: errorMessage(error) }, 'a fork did not close');
    });
  }

  private base(): ForkBase {
    const { config, log, store, catalogue, access, cursors, gateway } = this.platform;
    return {
      ...{ config, log, store, catalogue, cursors, ...this.contexts },
      authority: access.ca,
      liveness: (instanceId) => gateway.liveness(instanceId),
      now: () => ({ wallMs: systemClock.wallMs(), monotonicMs: systemClock.monotonicMs() }),
    };
  }
}

const notReady = (at: bigint, head: bigint): RefusedError => {
  const share = head === 0n ? 100 : Number((at * 100n) / head);
  return new RefusedError(
    refusal(503, 'fork_not_ready', `time is up, and ${share} % of the log has been read for the prediction`, {
      hint: 'call again: it goes on where it stopped',
    }),
  );
};
