import { refusal, RefusedError, type Clock } from '#kernel';
import type { ChainReport } from '#event-store';
import type { ToolHandler } from '#tools';
import type { verifyAuditTool } from './definitions.js';

type Tool = typeof verifyAuditTool;

/** Recomputes the chain page by page; undefined where the store keeps none. */
export type ChainVerifier = () => AsyncIterable<ChainReport>;
export const CHAIN_VERIFIER = Symbol('ChainVerifier');

export const verifyAudit =
  (verify: ChainVerifier | undefined, clock: Pick<Clock, 'monotonicMs'>): ToolHandler<Tool['input'], Tool['output']> =>
  async () => {
    if (verify === undefined) {
      const hint = 'run the platform with DROVER_EVENT_STORE=postgres';
      throw new RefusedError(refusal(422, 'no_hash_chain', 'this event store keeps no hash chain', { hint }));
    }
    const started = clock.monotonicMs();
    let last: ChainReport | undefined;
    let through = 0n;
    for await (const report of verify()) {
      last = report;
      if (report.kind === 'intact') through = report.through;
    }
    const base = { events: Number(through), duration_ms: Math.round(clock.monotonicMs() - started) };
    if (last?.kind === 'broken') {
      return { ...base, intact: false, first_problem: { position: String(last.position), reason: last.reason } };
    }
    return { ...base, intact: true, ...(last === undefined ? {} : { head_hash: last.chainHash }) };
  };
