import { Counter, Histogram, type Registry } from 'prom-client';
import type { Clock } from '#kernel';
import { withAppend, type AppendOutcome, type AppendRequest, type EventStore } from '#event-store';

const VIP = 'system.sdwan.virtual_ip.';
/** What ends a failover, by the last word of the event's type. */
const ENDINGS: ReadonlyMap<string, string> = new Map([
  [`${VIP}moved`, 'moved'],
  [`${VIP}move_failed`, 'failed'],
  [`${VIP}stranded`, 'stranded'],
]);

/**
 * Counts what this process appends. Made before the store is handed out and before there is a registry, because every part
 * of the platform holds the same store; Metrics shows it.
 */
export class StoreMetrics {
  private readonly appends = new Counter({
    name: 'drover_appends_total',
    help: 'Appends of this process to the event log; outcome is appended, duplicate, conflict or failed',
    labelNames: ['outcome'],
    registers: [],
  });
  private readonly duration = new Histogram({
    name: 'drover_append_seconds',
    help: 'Duration of an append, whatever its outcome',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [],
  });
  private readonly events = new Counter({
    name: 'drover_events_appended_total',
    help: 'Events that this process appended, by type',
    labelNames: ['type'],
    registers: [],
  });
  private readonly failovers = new Counter({
    name: 'drover_vip_failovers_total',
    help: 'Moves of virtual IPs that ended; outcome is moved, failed or stranded; a move that succeeded has its reason',
    labelNames: ['outcome', 'reason'],
    registers: [],
  });
  private readonly outage = new Histogram({
    name: 'drover_vip_outage_seconds',
    help: 'For how long a virtual IP may not have answered while it moved',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60],
    registers: [],
  });

  constructor(private readonly clock: Pick<Clock, 'monotonicMs'>) {}

  register(registry: Registry): void {
    registry.registerMetric(this.appends);
    registry.registerMetric(this.duration);
    registry.registerMetric(this.events);
    registry.registerMetric(this.failovers);
    registry.registerMetric(this.outage);
  }

  /** The same store, its appends counted. */
  meter(store: EventStore): EventStore {
    return withAppend(store, (request) => this.append(store, request));
  }

  private async append(store: EventStore, request: AppendRequest): Promise<AppendOutcome> {
    const startedMs = this.clock.monotonicMs();
    let outcome = 'failed';
    try {
      const answer = await store.append(request);
      outcome = answer.kind;
      if (answer.kind === 'appended') this.appended(request);
      return answer;
    } finally {
      this.appends.inc({ outcome });
      this.duration.observe((this.clock.monotonicMs() - startedMs) / 1_000);
    }
  }

  private appended({ events }: AppendRequest): void {
    for (const { type, data } of events) {
      this.events.inc({ type });
      const outcome = ENDINGS.get(type);
      if (outcome === undefined) continue;
      // The reasons of the other two are sentences, and a label must be one of few words.
      this.failovers.inc({ outcome, reason: outcome === 'moved' ? String(data.reason) : '' });
      if (typeof data.outage_estimate_ms === 'number') this.outage.observe(data.outage_estimate_ms / 1_000);
    }
  }
}
