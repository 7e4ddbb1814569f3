import type { Response } from 'express';
import type { Ids, Log } from '#kernel';
import type { Principal } from '#access';
import type { ToolAnswer } from '#tools';

export const CORRELATION_HEADER = 'Drover-Correlation-Id';

/** A call that was refused leaves no event: what its caller is told is found in the platform's log by this id, and says no more than they know. */
export const correlated = (
  answer: ToolAnswer,
  about: { readonly tool: string; readonly principal: Principal },
  { log, ids }: { readonly log: Log; readonly ids: Ids },
  response: Response,
): void => {
  if (answer.kind === 'failed') response.setHeader(CORRELATION_HEADER, answer.correlationId);
  if (answer.kind !== 'refused') return;
  const correlationId = ids.uuid();
  const { code, field, status } = answer.refusal;
  const { accountId, operatorId } = about.principal;
  // The name comes from outside where it is of no tool.
  const tool = /^[a-z_]{1,80}$/.test(about.tool) ? about.tool : 'unknown';
  log.info({ correlationId, tool, code, field, status, accountId, operatorId }, 'tool call refused');
  response.setHeader(CORRELATION_HEADER, correlationId);
};
