import type { agentV1 } from '#proto';

/** What the nodes of ibgp networks last said of their routing daemons, as far as this process has heard. */
export class RoutingReports {
  private readonly reports = new Map<string, agentV1.Routing>();
  private readonly recorded = new Map<string, string>();

  get(peerId: string): agentV1.Routing | undefined {
    return this.reports.get(peerId);
  }

  /** Takes a report in. `record` is called on an edge: a daemon came up, or there is none (any more), for this reason. */
  async take(
    peerId: string,
    report: agentV1.Routing | undefined,
    record: (report: agentV1.Routing) => Promise<void>,
  ): Promise<void> {
    if (report === undefined) {
      this.reports.delete(peerId);
      this.recorded.delete(peerId);
      return;
    }
    this.reports.set(peerId, report);
    const edge = report.daemon === '' ? 'static' : 'running';
    if (this.recorded.get(peerId) === edge) return;
    await record(report);
    this.recorded.set(peerId, edge);
  }
}
