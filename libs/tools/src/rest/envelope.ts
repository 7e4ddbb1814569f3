import type { Refusal } from '#kernel';
import type { ToolAnswer } from '../tool-call.js';

/** What an operator is told of a refusal, the same on every surface. */
export interface ToolError {
  readonly code: string;
  readonly message: string;
  readonly field?: string;
  readonly hint?: string;
  readonly candidates?: Refusal['candidates'];
}

export type Envelope =
  | { readonly success: true; readonly data: Readonly<Record<string, unknown>> }
  | { readonly success: false; readonly error: ToolError };

/** What a caller sent comes back in refusals, and not all of a megabyte of it. */
const LONGEST = 2_000;
const cut = (text: string): string => (text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`);

export const toolError = ({ status: _, ...error }: Refusal): ToolError => ({
  ...error,
  message: cut(error.message),
  ...(error.field === undefined ? {} : { field: cut(error.field) }),
  ...(error.hint === undefined ? {} : { hint: cut(error.hint) }),
});

export const internalError = (correlationId: string): ToolError => ({
  code: 'internal_error',
  message: `something failed inside the platform; its log has the details under ${correlationId}`,
  hint: 'call again; report it when it stays',
});

/** A tool's answer as REST and `--json` show it. */
export const restAnswer = (answer: ToolAnswer): { readonly status: number; readonly body: Envelope } => {
  if (answer.kind === 'ok') return { status: 200, body: { success: true, data: answer.data } };
  if (answer.kind === 'failed')
    return { status: 500, body: { success: false, error: internalError(answer.correlationId) } };
  if (answer.kind === 'consent') throw new Error('REST cannot ask a human');
  return { status: answer.refusal.status, body: { success: false, error: toolError(answer.refusal) } };
};

/** RFC 9457, for who asks for it. */
export const problemOf = (status: number, { message, ...error }: ToolError) => ({
  type: `urn:drover:error:${error.code}`,
  title: error.code.replaceAll('_', ' '),
  status,
  detail: message,
  ...error,
});
