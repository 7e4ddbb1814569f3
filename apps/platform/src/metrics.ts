import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ProcessingStatus } from '#processing';

/** What Prometheus reads. No label holds a name or id of an account. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly calls = new Counter({
    name: 'drover_tool_calls_total',
    help: 'Operator tool calls by tool and outcome',
    labelNames: ['tool', 'outcome'],
    registers: [this.registry],
  });
  private readonly duration = new Histogram({
    name: 'drover_tool_call_seconds',
    help: 'Duration of operator tool calls',
    labelNames: ['tool'],
    buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 1, 2.5, 10],
    registers: [this.registry],
  });

  private readonly lag = new Gauge({
    name: 'drover_processing_lag_events',
    help: 'Events of the log that a projection or process manager has not handled yet',
    labelNames: ['lane'],
    registers: [this.registry],
  });
  private readonly faults = new Gauge({
    name: 'drover_processing_faults',
    help: 'Projections and process managers that stand still',
    registers: [this.registry],
  });
  private processing: (() => Promise<ProcessingStatus>) | undefined;

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Asked at each scrape, so that a stalled projection shows even when nothing calls it. */
  watchProcessing(status: () => Promise<ProcessingStatus>): void {
    this.processing = status;
  }

  toolCalled(tool: string, outcome: string, durationMs: number): void {
    this.calls.inc({ tool, outcome });
    this.duration.observe({ tool }, durationMs / 1000);
  }

  async scrape(): Promise<{ contentType: string; text: string }> {
    await this.refresh();
    return { contentType: this.registry.contentType, text: await this.registry.metrics() };
  }

  private async refresh(): Promise<void> {
    if (this.processing === undefined) return;
    const { lanes, faults } = await this.processing();
    this.faults.set(faults.length);
    this.lag.reset();
    for (const lane of lanes) this.lag.set({ lane: lane.name }, lane.behind ?? 0);
  }
}
