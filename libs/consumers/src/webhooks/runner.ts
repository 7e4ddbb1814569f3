import { errorMessage, sleep } from '#kernel';
import { START, type EventStore, type RecordedEvent } from '#event-store';
import { FencedError, type LeaderLock, type Leadership } from '#processing';
import type { WebhookCreatedData, WebhookEvent } from '../domain/webhook/events.js';
import { WebhookLane, type LaneDeps } from './lane.js';

export interface RunnerDeps extends LaneDeps {
  readonly store: EventStore;
  readonly leader: LeaderLock;
}

interface Running {
  readonly lane: WebhookLane;
  /** Resolves when the lane has ended. */
  readonly ended: Promise<void>;
}

const LEAD_TRY_MS = 500;

/**
 * Delivers to webhooks, in the one process that holds the lead for it. Which webhooks there are is folded from the log, so a
 * new one is served as soon as its event is seen.
 */
export class WebhookRunner {
  private readonly stopping = new AbortController();
  private loop: Promise<void> | undefined;
  private readonly running = new Map<string, Running>();

  constructor(private readonly deps: RunnerDeps) {}

  start(): void {
    this.loop ??= this.run();
  }

  /** Ends at the next event; what is under way is sent again by whoever leads next. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  /** How many webhooks this process serves. */
  get lanes(): number {
    return this.running.size;
  }

  private async run(): Promise<void> {
    const { leader, log, timers } = this.deps;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const leadership = await leader.tryLead();
        if (leadership !== undefined) await this.lead(leadership);
      } catch (error) {
        log.warn({ error: errorMessage(error) }, 'webhooks: interrupted; trying again');
      }
      await sleep(timers, LEAD_TRY_MS, signal);
    }
  }

  private async lead(leadership: Leadership): Promise<void> {
    const term = new AbortController();
    const end = () => term.abort();
    const ends = AbortSignal.any([this.stopping.signal, leadership.lost]);
    ends.addEventListener('abort', end, { once: true });
    if (ends.aborted) end();
    this.deps.log.info({ epoch: leadership.epoch }, 'this process delivers to webhooks');
    try {
      await this.follow(leadership.epoch, term);
    } finally {
      ends.removeEventListener('abort', end);
      end();
      await Promise.all([...this.running.keys()].map((id) => this.end(id)));
      await leadership.release();
    }
  }

  private async follow(epoch: number, term: AbortController): Promise<void> {
    const { store } = this.deps;
    const head = await store.head();
    // A lane starts only when its whole story is known: it may have been deleted long ago.
    let waiting: Map<string, () => void> | undefined = new Map();
    const begin = (id: string, run: () => void) => (waiting === undefined ? run() : void waiting.set(id, run));
    for await (const batch of store.subscribe(START, { signal: term.signal, categories: ['webhook'] })) {
      for (const event of batch.events) {
        waiting?.delete(deletedBy(event) ?? '');
        await this.apply(event, (id, data) => begin(id, () => this.begin(data, event, epoch, term)));
      }
      if (waiting === undefined || batch.through < head) continue;
      for (const run of waiting.values()) run();
      waiting = undefined;
    }
  }

  private async apply(event: RecordedEvent, created: (id: string, data: WebhookCreatedData) => void): Promise<void> {
    const { type, data } = this.deps.current(event) as unknown as WebhookEvent;
    const { rows } = this.deps;
    switch (type) {
      case 'system.webhook.created':
        return created(data.webhook_id, data);
      case 'system.webhook.deleted':
        await this.end(data.webhook_id);
        return rows.remove(data.webhook_id);
      case 'system.webhook.redelivery_requested':
        await rows.request(data.webhook_id, data.event_ids, event.position);
        return this.running.get(data.webhook_id)?.lane.poke();
      default:
        // An event of a later build about webhooks: nothing that this one could do.
        return;
    }
  }

  private begin(data: WebhookCreatedData, event: RecordedEvent, epoch: number, term: AbortController): void {
    const webhook = { data, accountId: event.meta.accountId, start: event.position };
    const lane = new WebhookLane(this.deps, webhook, epoch);
    const ended = lane.run().catch((error: unknown) => {
      const fenced = error instanceof FencedError;
      this.deps.log.warn({ webhook: data.webhook_id, fenced, error: errorMessage(error) }, 'webhooks: a lane ended');
      term.abort();
    });
    this.running.set(data.webhook_id, { lane, ended });
  }

  private async end(webhookId: string): Promise<void> {
    const running = this.running.get(webhookId);
    if (running === undefined) return;
    running.lane.stop();
    await running.ended;
    this.running.delete(webhookId);
  }
}

const deletedBy = (event: RecordedEvent): string | undefined =>
  event.type === 'system.webhook.deleted' ? event.stream : undefined;
