import { Gauge, type Registry } from 'prom-client';
import type { Clock } from '#kernel';
import type { ProcessingHost } from '#processing';

export type ProcessingFacts = Pick<ProcessingHost, 'status' | 'projectionReports'>;

const gauges = (registry: Registry) => {
  const gauge = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
  return {
    lag: gauge(
      'drover_processing_lag_events',
      'Events of the log that a projection or process manager has not handled yet; on the process that leads',
      ['lane'],
    ),
    faults: gauge('drover_processing_faults', 'Projections, process managers and timers that stand still'),
    attempts: gauge(
      'drover_fault_attempts',
      'How often what stands still has been tried since it stopped; per process manager, the worst',
      ['lane'],
    ),
    faultSeconds: gauge('drover_fault_seconds', 'For how long it has been standing still', ['lane']),
    leading: gauge('drover_processing_leading', '1 on the process that runs projections and process managers'),
    epoch: gauge('drover_processing_epoch', 'Grows with each take-over; 0 on a process that does not lead'),
    projectionLag: gauge(
      'drover_projection_lag_events',
      'Events of the log that a projection has not handled yet; state is read or building',
      ['projection', 'version', 'state'],
    ),
    projectionLagSeconds: gauge(
      'drover_projection_lag_seconds',
      'For how long the first event that a projection has not handled has been in the log; state is read or building',
      ['projection', 'version', 'state'],
    ),
    skipped: gauge(
      'drover_projection_skipped_events',
      'Events that a projection passed because an operator ordered so',
      ['projection'],
    ),
  };
};

/**
 * Lag and faults of projections and process managers, asked at each scrape. Projections and faults are read from the
 * database, so that every process shows them whoever runs them.
 */
export class ProcessingMetrics {
  private readonly gauges: ReturnType<typeof gauges>;

  constructor(
    registry: Registry,
    private readonly facts: ProcessingFacts,
    private readonly clock: Pick<Clock, 'wallMs'>,
  ) {
    this.gauges = gauges(registry);
  }

  async refresh(): Promise<void> {
    const { lag, faults, attempts, faultSeconds, leading, epoch } = this.gauges;
    const status = await this.facts.status();
    leading.set(status.role === 'leading' ? 1 : 0);
    epoch.set(status.epoch ?? 0);
    for (const gauge of [lag, attempts, faultSeconds]) gauge.reset();
    // How far behind is not known everywhere (positions with gaps); nothing is said then, which is not 0.
    for (const { name, behind } of status.lanes) if (behind !== undefined) lag.set({ lane: name }, behind);
    faults.set(status.faults.length);
    for (const [lane, worst] of worstByLabel(status.faults)) {
      attempts.set({ lane }, worst.attempts);
      faultSeconds.set({ lane }, Math.max(0, this.clock.wallMs() - worst.sinceMs) / 1_000);
    }
    await this.refreshProjections();
  }

  private async refreshProjections(): Promise<void> {
    const { projectionLag, projectionLagSeconds, skipped } = this.gauges;
    const reports = await this.facts.projectionReports();
    for (const gauge of [projectionLag, projectionLagSeconds, skipped]) gauge.reset();
    for (const { name, version, isRead, behind, waitingSince, skipped: passed } of reports) {
      const labels = { projection: name, version: String(version), state: isRead ? 'read' : 'building' };
      if (behind !== undefined) projectionLag.set(labels, behind);
      const waitedMs = waitingSince === undefined ? 0 : this.clock.wallMs() - Date.parse(waitingSince);
      projectionLagSeconds.set(labels, Math.max(0, waitedMs) / 1_000);
      if (isRead) skipped.set({ projection: name }, passed.length);
    }
  }
}

type Fault = Awaited<ReturnType<ProcessingFacts['status']>>['faults'][number];

/** Instances and timers belong to accounts, which no label may name: of a manager's faults the worst stands for all. */
const worstByLabel = (faults: readonly Fault[]): ReadonlyMap<string, Pick<Fault, 'attempts' | 'sinceMs'>> => {
  const worst = new Map<string, Pick<Fault, 'attempts' | 'sinceMs'>>();
  for (const { lane, attempts, sinceMs } of faults) {
    const label = lane.replace(/^(pm_|timer:)([^-]*)-.*$/s, '$1$2');
    const known = worst.get(label) ?? { attempts, sinceMs };
    worst.set(label, { attempts: Math.max(known.attempts, attempts), sinceMs: Math.min(known.sinceMs, sinceMs) });
  }
  return worst;
};
