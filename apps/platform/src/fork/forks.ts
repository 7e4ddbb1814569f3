import { errorMessage, refusal, RefusedError, Serial, systemClock } from '#kernel';
import type { ForkOutcome, ForkRequest, Forks } from '#audit';
import type { Foundation } from '../foundation.js';
import { Fork, type ForkBase } from './fork.js';

/** In real time; a fork folds the whole log first. */
const DEADLINE_MS = 20_000;
const MAX_EVENTS = 5_000;
/** One at a time, because each is a whole platform in memory; those who would wait for more than these are sent away. */
const MAX_WAITING = 4;

/** Forks of this platform at its newest event, one after another. */
export class PlatformForks implements Forks {
  private readonly turns = new Serial();
  private waiting = 0;

  constructor(
    private readonly platform: Pick<
      Foundation,
      'config' | 'log' | 'store' | 'catalogue' | 'access' | 'cursors' | 'gateway'
    >,
    private readonly contexts: Pick<ForkBase, 'failover' | 'services'>,
  ) {}

  async try(request: ForkRequest): Promise<ForkOutcome> {
    if (this.waiting >= MAX_WAITING) {
      const hint = 'call again in a moment';
      throw new RefusedError(refusal(429, 'too_many_forks', `${this.waiting} what_if calls are waiting`, { hint }));
    }
    this.waiting++;
    return this.turns.run(() => this.run(request)).finally(() => this.waiting--);
  }

  private async run(request: ForkRequest): Promise<ForkOutcome> {
    const deadline = systemClock.monotonicMs() + DEADLINE_MS;
    const fork = await Fork.open(await this.base());
    const expired = () => {
      if (systemClock.monotonicMs() > deadline) return `it took more than ${DEADLINE_MS / 1000} s of real time`;
      return fork.appendedCount > MAX_EVENTS ? `more than ${MAX_EVENTS} events followed` : undefined;
    };
    try {
      return await fork.run(request, expired);
    } finally {
      await fork.close().catch((error: unknown) => {
        this.platform.log.warn({ error: errorMessage(error) }, 'a fork did not close');
      });
    }
  }

  private async base(): Promise<ForkBase> {
    const { config, log, store, catalogue, access, cursors, gateway } = this.platform;
    return {
      ...{ config, log, store, catalogue, cursors, ...this.contexts },
      head: await store.head(),
      authority: access.ca,
      liveness: (instanceId) => gateway.liveness(instanceId),
      now: { wallMs: systemClock.wallMs(), monotonicMs: systemClock.monotonicMs() },
    };
  }
}
