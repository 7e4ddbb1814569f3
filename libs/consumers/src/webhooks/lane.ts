import { backoffMs, errorMessage, sleep, type Clock, type Log, type Random, type Timers } from '#kernel';
import { position, type EventStore, type Position } from '#event-store';
import { FencedError } from '#processing';
import type { WebhookCommand, WebhookHealth } from '../domain/webhook/decide.js';
import type { WebhookCreatedData } from '../domain/webhook/events.js';
import { Entry } from '../feed/entry.js';
import type { EventFilter } from '../feed/filter.js';
import { nextPage, type ReaderDeps } from '../feed/reader.js';
import type { DeliveryState, WebhookRows } from './rows.js';
import { signedHeaders } from './signature.js';
import type { SendOutcome, WebhookTransport } from './transport.js';

export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

export interface LaneDeps extends ReaderDeps {
  readonly store: Pick<EventStore, 'readAll'>;
  readonly rows: WebhookRows;
  readonly transport: WebhookTransport;
  /** URL and signing secret of a webhook; undefined when they were shredded. */
  readonly endpoint: (ref: string) => Promise<Endpoint | undefined>;
  /** Writes down what is news of a webhook's health; the same again changes nothing. `of`: the event that showed it. */
  readonly report: (webhook: LaneWebhook, report: HealthReport, of: string) => Promise<void>;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly timers: Timers;
  readonly random: Pick<Random, 'unit'>;
  readonly log: Log;
  readonly backoff: Backoff;
}

export type HealthReport = Extract<WebhookCommand, { type: 'report' }>;

export interface Endpoint {
  readonly url: string;
  readonly secret: string;
}

export interface LaneWebhook {
  readonly data: WebhookCreatedData;
  readonly accountId: string;
  /** Of its creation: it gets what came after. */
  readonly start: Position;
}

const IDLE_MS = 30_000;
/** Progress through events that are filtered out is kept at every so many positions. */
const SAVE_EVERY = 1_000n;
const TROUBLE_MS = 1_000;
/** One try that fails is no news: networks do that. */
const FAILING_AFTER = 3;

/** What is sent of an event: the same view as on the streams, signed. */
export const deliver = async (
  deps: Pick<LaneDeps, 'endpoint' | 'transport' | 'clock'>,
  endpointRef: string,
  message: { readonly id: string; readonly json: string },
  signal: AbortSignal,
): Promise<SendOutcome> => {
  const endpoint = await deps.endpoint(endpointRef);
  if (endpoint === undefined) return { kind: 'failed', error: 'the signing secret is gone: create the webhook anew' };
  const headers = signedHeaders(endpoint.secret, message.id, deps.clock.wallMs(), message.json);
  return deps.transport.send({ url: endpoint.url, headers, body: message.json }, signal);
};

/** One webhook: its events in order, each until it is delivered or given up. Nobody else waits for it. */
export class WebhookLane {
  private readonly stopping = new AbortController();
  private wakeUp = new AbortController();
  private state: DeliveryState | undefined;
  private pending: readonly Entry[] = [];
  private asked = true;
  private through: Position;
  /** What the log says by now, as far as this lane knows. */
  private told: WebhookHealth | undefined;
  private readonly filter: EventFilter;

  constructor(
    private readonly deps: LaneDeps,
    private readonly webhook: LaneWebhook,
    private readonly epoch: number,
  ) {
    const { kind_prefix, stream, subject, severity } = webhook.data;
    this.through = webhook.start;
    this.filter = {
      accountId: webhook.accountId,
      kindPrefixes: kind_prefix,
      streams: stream,
      subjects: subject,
      minSeverity: severity,
    };
  }

  private get id(): string {
    return this.webhook.data.webhook_id;
  }

  /** Until stop(). Throws FencedError when another process has taken over. */
  async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await this.deps.tail.acquire();
        try {
          await this.follow();
        } finally {
          this.deps.tail.release();
        }
      } catch (error) {
        if (error instanceof FencedError) throw error;
        this.deps.log.warn({ webhook: this.id, error: errorMessage(error) }, 'webhooks: a lane starts over');
        await sleep(this.deps.timers, TROUBLE_MS, signal);
      }
    }
  }

  stop(): void {
    this.stopping.abort();
    this.wakeUp.abort();
  }

  /** Dead letters were asked for again: looks at once. */
  poke(): void {
    this.asked = true;
    this.wakeUp.abort();
  }

  private async follow(): Promise<void> {
    const { rows } = this.deps;
    this.state = await rows.open(this.id, this.webhook.start, this.epoch);
    this.through = this.state.position;
    this.pending = [];
    while (!this.stopping.signal.aborted) {
      this.wakeUp = new AbortController();
      if (this.asked) await this.redeliver();
      const waitMs = this.state.nextAttemptMs - this.deps.clock.wallMs();
      if (waitMs > 0) await sleep(this.deps.timers, waitMs, this.wakeUp.signal);
      else await this.step();
    }
  }

  private async step(): Promise<void> {
    const [entry, ...rest] = this.pending;
    if (entry === undefined) return this.read();
    const outcome = await deliver(
      this.deps,
      this.webhook.data.endpoint_ref,
      { id: entry.event.id, json: entry.json },
      this.stopping.signal,
    );
    if (this.stopping.signal.aborted) return;
    if (outcome.kind === 'ok') {
      await this.advance(entry.position, 1);
      this.pending = rest;
      await this.tell({ type: 'report', health: 'well' }, entry.event.id);
    } else if (await this.fail(entry, outcome)) this.pending = rest;
  }

  private async read(): Promise<void> {
    if (this.through - this.state!.position >= SAVE_EVERY) await this.advance(this.through, 0);
    const page = await nextPage(this.deps, this.filter, this.through);
    this.pending = page.entries;
    this.through = page.through;
    if (page.entries.length > 0 || !page.atHead) return;
    await this.deps.tail.changed(this.through, IDLE_MS, this.wakeUp.signal);
  }

  private async advance(to: Position, delivered: number): Promise<void> {
    const nowMs = this.deps.clock.wallMs();
    await this.deps.rows.advance(this.id, to, { delivered, nowMs }, this.epoch);
    this.state = { ...this.state!, position: to, attempts: 0, nextAttemptMs: 0 };
  }

  /** True when the event is given up. */
  private async fail(entry: Entry, outcome: Extract<SendOutcome, { kind: 'failed' }>): Promise<boolean> {
    const { rows, clock, random, backoff, log } = this.deps;
    const attempts = this.state!.attempts + 1;
    const nowMs = clock.wallMs();
    const { id: eventId, type: kind } = entry.event;
    const isDead = attempts >= this.webhook.data.max_attempts;
    // Before it is acted on: a lane that is killed in between tells it again, which changes nothing.
    if (isDead || attempts >= FAILING_AFTER) {
      const health = isDead ? 'dead_lettering' : 'failing';
      await this.tell({ type: 'report', health, eventId, attempts, error: outcome.error }, eventId);
    }
    if (isDead) {
      log.warn(
        { webhook: this.id, eventId, attempts, error: outcome.error },
        'webhooks: an event was given up; it is a dead letter',
      );
      await rows.bury(
        this.id,
        { eventId, kind, position: entry.position, attempts, error: outcome.error, deadMs: nowMs },
        this.epoch,
      );
      this.state = { ...this.state!, position: entry.position, attempts: 0, nextAttemptMs: 0 };
      return true;
    }
    const waitMs = backoffMs(attempts - 1, () => random.unit(), backoff.baseMs, backoff.capMs);
    const nextAttemptMs = nowMs + Math.max(waitMs, Math.min(outcome.retryAfterMs ?? 0, backoff.capMs));
    await rows.failed(this.id, { attempts, nextAttemptMs, error: outcome.error, nowMs }, this.epoch);
    this.state = { ...this.state!, attempts, nextAttemptMs };
    return false;
  }

  private async tell(report: HealthReport, of: string): Promise<void> {
    if (this.told === report.health || (this.told === 'dead_lettering' && report.health === 'failing')) return;
    await this.deps.report(this.webhook, report, of);
    this.told = report.health;
  }

  /** Letters that an operator wants to be sent again: each once, out of the order of the others. */
  private async redeliver(): Promise<void> {
    const { rows, store, current } = this.deps;
    this.asked = false;
    for (const letter of await rows.requested(this.id)) {
      const { events } = await store.readAll(position(letter.position - 1n), { limit: 1 });
      const event = events.find((e) => e.id === letter.eventId);
      if (event === undefined) throw new Error(`the event of dead letter ${letter.eventId} is not at its position`);
      const message = { id: event.id, json: new Entry(current(event)).json };
      const outcome = await deliver(this.deps, this.webhook.data.endpoint_ref, message, this.stopping.signal);
      if (this.stopping.signal.aborted) return;
      await rows.redelivered(this.id, letter.eventId, outcome.kind === 'ok' ? undefined : outcome.error, this.epoch);
      if (outcome.kind === 'ok') await this.tell({ type: 'report', health: 'well' }, letter.eventId);
    }
  }
}
