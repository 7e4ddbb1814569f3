import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { AgentCensus, GenerationSettled } from '#agent-gateway';

/** What the process that has the agents knows of them. Labels are states and sections of desired state, never ids. */
export class AgentMetrics {
  private readonly p99: Gauge<'section'>;
  private readonly settled: Histogram<'section'>;
  private readonly receipts: Counter<'section' | 'outcome'>;

  constructor(registry: Registry, census: () => AgentCensus) {
    const registers = [registry];
    const agents: Gauge<'state'> = new Gauge({
      name: 'drover_agents',
      help: 'Agents that this process knows; state is connected, away (the lease still runs), suspected or lost',
      labelNames: ['state'],
      registers,
      collect: () => {
        for (const [state, count] of Object.entries(census())) agents.set({ state }, count);
      },
    });
    this.p99 = new Gauge({
      name: 'drover_push_p99_seconds',
      help: 'Of the last change of a section: within what time 99 of 100 agents had applied it',
      labelNames: ['section'],
      registers,
    });
    this.settled = new Histogram({
      name: 'drover_push_settle_seconds',
      help: 'As drover_push_p99_seconds, over all changes of a section',
      labelNames: ['section'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.receipts = new Counter({
      name: 'drover_push_receipts_total',
      help: 'Pushes to agents; outcome is applied, or behind: not within 10 s',
      labelNames: ['section', 'outcome'],
      registers,
    });
  }

  onSettled({ section, applied, behind, p99Ms }: GenerationSettled): void {
    this.receipts.inc({ section, outcome: 'applied' }, applied);
    this.receipts.inc({ section, outcome: 'behind' }, behind.length);
    if (applied === 0) return;
    this.p99.set({ section }, p99Ms / 1_000);
    this.settled.observe({ section }, p99Ms / 1_000);
  }
}
