import { errorMessage, refusal, RefusedError, Serial, systemClock } from '#kernel';
import type { ForkOutcome, ForkRequest, Forks } from '#audit';
import type { Foundation } from '../foundation.js';
import { Fork, type ForkBase } from './fork.js';

export interface ForkBounds {
  /** Of a whole call in real time, from when it came in: waiting for others, the fork, and the prediction. */
  readonly callMs: number;
  /** Of these, what is kept for the prediction. */
  readonly runMs: number;
}
const BOUNDS: ForkBounds = { callMs: 20_000, runMs: 5_000 };
const MAX_EVENTS = 5_000;
/** One at a time, because each is a whole platform in memory; those who would wait for more than these are sent away. */
const MAX_WAITING = 4;

type Platform = Pick<Foundation, 'config' | 'log' | 'store' | 'catalogue' | 'access' | 'cursors'> &
  Pick<ForkBase, 'gateway' | 'processing'>;

/** Forks of this platform at its newest event, one after another. Nothing is kept between two calls. */
export class PlatformForks implements Forks {
  private readonly turns = new Serial();
  private waiting = 0;
  private stopping = false;

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
    const leave = this.takePlace(request.signal);
    return this.turns.run(() => this.run(request, cameMs)).finally(leave);
  }

  /** Whoever hangs up gives the place to another. */
  private takePlace(signal: AbortSignal): () => void {
    let isTaken = true;
    this.waiting++;
    const leave = () => {
      signal.removeEventListener('abort', leave);
      if (isTaken) this.waiting--;
      isTaken = false;
    };
    signal.addEventListener('abort', leave);
    return leave;
  }

  /** Nest's end of the platform. */
  async onModuleDestroy(): Promise<void> {
    this.stopping = true;
    await this.turns.idle();
  }

  private async run(request: ForkRequest, cameMs: number): Promise<ForkOutcome> {
    const { callMs, runMs } = this.bounds;
    const { signal } = request;
    mustBeAwaited(signal);
    const late = (boundMs: number) => {
      mustBeAwaited(signal);
      return systemClock.monotonicMs() - cameMs > boundMs;
    };
    const fork = await Fork.open(this.base());
    const expired = () => {
      if (this.stopping) return 'the platform stops';
      if (late(callMs)) return `it took more than ${callMs / 1000} s of real time`;
      return fork.appendedCount > MAX_EVENTS ? `more than ${MAX_EVENTS} events followed` : undefined;
    };
    try {
      await fork.begin(() => late(callMs - runMs));
      return await fork.run(request, expired);
    } finally {
      await this.close(fork);
    }
  }

  private close(fork: Fork): Promise<void> {
    return fork.close().catch((error: unknown) => {
      this.platform.log.warn({ error: errorMessage(error) }, 'a fork did not close');
    });
  }

  private base(): ForkBase {
    const { config, log, store, catalogue, access, cursors, gateway, processing } = this.platform;
    return {
      ...{ config, log, store, catalogue, cursors, gateway, processing, ...this.contexts },
      authority: access.ca,
      now: () => ({ wallMs: systemClock.wallMs(), monotonicMs: systemClock.monotonicMs() }),
    };
  }
}

/** Nobody reads this answer; the log and the metrics tell of it. */
const mustBeAwaited = (signal: AbortSignal): void => {
  if (signal.aborted) throw new RefusedError(refusal(409, 'caller_gone', 'whoever asked has hung up'));
};
