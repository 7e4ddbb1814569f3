import type { Clock } from '#kernel';
import type { ToolHandler } from '#tools';
import type { AuditVerifier } from '../verify/audit-verifier.js';
import type { verifyAuditTool } from './audit-definitions.js';

type Tool = typeof verifyAuditTool;
const MAX_FINDINGS = 20;

export const verifyAudit =
  (verifier: AuditVerifier, clock: Pick<Clock, 'monotonicMs'>): ToolHandler<Tool['input'], Tool['output']> =>
  async ({ after, max_events }) => {
    const started = clock.monotonicMs();
    const report = await verifier.verify({
      ...(after === undefined ? {} : { after: BigInt(after) }),
      ...(max_events === undefined ? {} : { maxEvents: max_events }),
    });
    const problems = report.findings
      .slice(0, MAX_FINDINGS)
      .map(({ kind, position, reason }) => ({ kind, position: String(position), reason }));
    const [first] = problems;
    const { count, sealedThrough, inFile, key, keys } = report.seals;
    return {
      intact: report.intact,
      events: report.events,
      through: String(report.through),
      complete: report.complete,
      head_hash: report.chain,
      ...(first === undefined ? {} : { first_problem: { position: first.position, reason: first.reason } }),
      problems,
      seals: {
        count,
        sealed_through: String(sealedThrough),
        ...(inFile === undefined ? {} : { in_file: inFile }),
        ...(key === undefined ? {} : { key_id: key }),
        key_ids: [...keys],
      },
      duration_ms: Math.round(clock.monotonicMs() - started),
    };
  };
