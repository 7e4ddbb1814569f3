import { refusal, RefusedError, type Timers } from '#kernel';
import { statusOfState } from '../conditions.js';
import type { ToolCall, ToolFollow, ToolHandler } from '../define-tool.js';
import type { getOperationTool } from '../tools/definitions.js';
import type { ToolRegistry } from '../tool-registry.js';
import { parseOperationId, valueAt, type OperationRef } from './operation-id.js';

const POLL_MS = 250;

interface Seen {
  readonly status: 'running' | 'succeeded' | 'failed';
  readonly state: string;
  readonly phase: number;
  readonly error: string | null;
}

const completeReason = (status: Seen['status']): string =>
  ({ running: 'GoesOn', succeeded: 'Succeeded', failed: 'Failed' })[status];

const notFound = (): RefusedError =>
  new RefusedError(refusal(404, 'operation_not_found', 'there is no such operation', { field: 'operation_id' }));

const judge = (follow: ToolFollow, data: unknown): Seen => {
  const state = String(valueAt(data, follow.state));
  const error = follow.error === undefined ? undefined : valueAt(data, follow.error);
  const at = follow.phases.indexOf(state) + 1;
  const status = follow.done.includes(state) ? 'succeeded' : follow.failed.includes(state) ? 'failed' : 'running';
  const phase = status === 'succeeded' ? follow.phases.length : at;
  return { status, state, phase, error: typeof error === 'string' ? error : null };
};

/** Reads with the caller's own permissions, through the tool that shows the thing. */
const look = async (registry: ToolRegistry, ref: OperationRef, follow: ToolFollow, call: ToolCall): Promise<Seen> => {
  const principal = {
    operatorId: call.context.actor.id,
    accountId: call.accountId,
    name: call.context.actor.id,
    permissions: call.permissions,
  };
  const answer = await registry.call({ name: follow.tool, arguments: { [follow.argument]: ref.subject }, principal });
  if (answer.kind === 'refused') throw new RefusedError(answer.refusal);
  if (answer.kind !== 'ok') throw new Error(`${follow.tool} did not answer`);
  return judge(follow, answer.data);
};

/** How what a call began stands. Nothing is kept for it: the thing itself tells. */
export const getOperation =
  (
    registry: ToolRegistry,
    timers: Timers,
  ): ToolHandler<(typeof getOperationTool)['input'], (typeof getOperationTool)['output']> =>
  async ({ operation_id, wait_seconds }, call) => {
    const ref = parseOperationId(operation_id);
    const follow = registry.definition(ref.tool)?.follow;
    if (follow === undefined) throw notFound();
    let seen = await look(registry, ref, follow, call);
    call.progress(seen.phase, follow.phases.length, seen.state);
    for (let waitedMs = 0; seen.status === 'running' && waitedMs < wait_seconds * 1_000; waitedMs += POLL_MS) {
      if (call.signal.aborted) break;
      await new Promise<void>((resolve) => timers.after(POLL_MS, resolve));
      const next = await look(registry, ref, follow, call);
      if (next.state !== seen.state) call.progress(next.phase, follow.phases.length, next.state);
      seen = next;
    }
    const { status, state, phase, error } = seen;
    return {
      operation: {
        id: operation_id,
        tool: ref.tool,
        subject: ref.subject,
        correlation_id: ref.correlationId,
        status,
        state,
        progress: { phase, phases: follow.phases.length, names: [...follow.phases] },
        error,
        ...statusOfState({
          state: status,
          ready: ['succeeded'],
          progressing: ['running'],
          error: status === 'failed' ? (error ?? `it ended as ${state}`) : null,
          // What the call began; it is the case once it has succeeded.
          generation: 1,
          observedGeneration: status === 'succeeded' ? 1 : null,
          also: [
            {
              type: 'Complete',
              holds: status !== 'running',
              reason: completeReason(status),
              message: `phase ${state}`,
            },
          ],
        }),
      },
    };
  };
