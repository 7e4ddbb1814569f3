import type { z } from 'zod';
import { isoTime, RefusedError } from '#kernel';
import type { ProjectionReport } from '#processing';
import type { ToolHandler } from '#tools';
import type { listProjectionsTool, rebuildProjectionTool, skipPoisonEventTool } from './definitions.js';
import { RebuildProjection, SkipPoisonEvent, unknownProjection, type ProjectionsView } from './orders.js';

type Handler<T extends { readonly input: z.ZodObject; readonly output: z.ZodObject }> = ToolHandler<
  T['input'],
  T['output']
>;

const rowOf = ({ name, version, table, state, position, behind, waitingSince, skipped, fault }: ProjectionReport) => ({
  name,
  version,
  status: state,
  position: String(position),
  table,
  lag: behind ?? null,
  waiting_since: waitingSince ?? null,
  skipped: skipped.length,
  fault: fault?.error ?? null,
  fault_position: fault === undefined ? null : String(fault.position),
  fault_attempts: fault?.attempts ?? null,
  fault_since: fault === undefined ? null : isoTime(fault.sinceMs),
});

/** Of the table that is read; one that is being built has nothing to compare yet. */
const digestOf = async (view: ProjectionsView, report: ProjectionReport, isRead: boolean) => {
  if (!isRead) return {};
  const { documents, sha256 } = await view.digest(report.name);
  return { documents, digest: sha256 };
};

export const listProjections =
  (view: ProjectionsView): Handler<typeof listProjectionsTool> =>
  async ({ projection, digest }) => {
    const known = view.registeredProjections().map((p) => p.name);
    if (projection !== undefined && !known.includes(projection))
      throw new RefusedError(unknownProjection(projection, known));
    const reports = (await view.projectionReports()).filter((r) => projection === undefined || r.name === projection);
    const projections = [];
    for (const report of reports) {
      const more = digest ? await digestOf(view, report, report.isRead) : {};
      projections.push({ ...rowOf(report), ...more });
    }
    return { projections, role: (await view.status()).role };
  };

export const rebuildProjection =
  (): Handler<typeof rebuildProjectionTool> =>
  async ({ projection, reason }, call) => {
    const { version } = await call.run(RebuildProjection, { projection, reason });
    return { projection, version };
  };

export const skipPoisonEvent =
  (): Handler<typeof skipPoisonEventTool> =>
  async ({ projection, position, reason }, call) => {
    const { version, event_id, event_type } = await call.run(SkipPoisonEvent, { projection, position, reason });
    return { projection, version, skipped: { position, event_id, event_type } };
  };
