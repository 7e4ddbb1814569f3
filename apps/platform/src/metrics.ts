import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { systemClock } from '#kernel';
import type { AgentGateway } from '#agent-gateway';
import { AgentMetrics } from './agent-metrics.js';
import { ProcessingMetrics, type ProcessingFacts } from './processing-metrics.js';
import type { StoreMetrics } from './store-metrics.js';
import { VERSION } from './version.js';

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

  private processing: ProcessingMetrics | undefined;

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    const build = new Gauge({
      name: 'drover_build_info',
      help: 'Always 1; the version is its label',
      labelNames: ['version'],
      registers: [this.registry],
    });
    build.set({ version: VERSION }, 1);
  }

  /** Asked at each scrape, so that a stalled projection shows even when nothing calls it. */
  watchProcessing(facts: ProcessingFacts): void {
    this.processing = new ProcessingMetrics(this.registry, facts, systemClock);
  }

  watchAgents(gateway: Pick<AgentGateway, 'addObserver' | 'census'>): void {
    gateway.addObserver(new AgentMetrics(this.registry, () => gateway.census()));
  }

  watchStore(store: StoreMetrics): void {
    store.register(this.registry);
  }

  /** A number that is asked for at each scrape. */
  watch(name: string, help: string, read: () => number): void {
    const collect = () => gauge.set(read());
    const gauge: Gauge = new Gauge({ name, help, registers: [this.registry], collect });
  }

  toolCalled(tool: string, outcome: string, durationMs: number): void {
    this.calls.inc({ tool, outcome });
    this.duration.observe({ tool }, durationMs / 1000);
  }

  async scrape(): Promise<{ contentType: string; text: string }> {
    await this.processing?.refresh();
    return { contentType: this.registry.contentType, text: await this.registry.metrics() };
  }
}
