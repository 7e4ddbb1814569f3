import { backoffMs, errorMessage, sleep, type Log, type Random, type Timers } from '#kernel';
import { START, type Batch, type EventStore } from '#event-store';

/**
 * The one subscription of the gateway: catches up with the log, then follows it. When the store goes away it starts again
 * where it was; `onBatch` sees every event once and in order.
 */
export class Feed {
  private through = START;

  constructor(
    private readonly deps: {
      readonly store: Pick<EventStore, 'subscribe' | 'head'>;
      readonly timers: Timers;
      readonly random: Pick<Random, 'unit'>;
      readonly log: Log;
      readonly onBatch: (batch: Batch) => void;
    },
  ) {}

  /** Resolves when everything that was in the log at the call is folded; the feed goes on until the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const head = await this.deps.store.head();
    await new Promise<void>((caughtUp) => {
      const check = () => {
        if (this.through >= head) caughtUp();
      };
      check();
      void this.follow(signal, check);
    });
  }

  private async follow(signal: AbortSignal, after: () => void): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        for await (const batch of this.deps.store.subscribe(this.through, { signal })) {
          this.deps.onBatch(batch);
          this.through = batch.through;
          attempt = 0;
          after();
        }
      } catch (error) {
        this.deps.log.error(
          { error: errorMessage(error), through: String(this.through) },
          'gateway feed broke; following again',
        );
      }
      if (!signal.aborted)
        await sleep(
          this.deps.timers,
          backoffMs(attempt, () => this.deps.random.unit()),
          signal,
        );
    }
    after();
  }
}
