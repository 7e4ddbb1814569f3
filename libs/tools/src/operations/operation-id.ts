import { refusal, RefusedError } from '#kernel';
import type { ToolDefinition } from '../define-tool.js';

/** What goes on after a call: which tool began it, what it is about, and which call it was. */
export interface OperationRef {
  readonly tool: string;
  readonly subject: string;
  readonly correlationId: string;
}

const invalid = (): RefusedError =>
  new RefusedError(
    refusal(404, 'operation_not_found', 'there is no such operation', {
      field: 'operation_id',
      hint: 'use the operation.id of an earlier answer as it stands',
    }),
  );

/**
 * An operation's id says what to look at; nothing is stored. It opens nothing: whoever follows it reads with their own
 * permissions, and sees nothing of other accounts.
 */
export const operationId = ({ tool, subject, correlationId }: OperationRef): string =>
  `op_${Buffer.from(JSON.stringify([tool, subject, correlationId])).toString('base64url')}`;

export const parseOperationId = (id: string): OperationRef => {
  try {
    const parts: unknown = JSON.parse(Buffer.from(/^op_([A-Za-z0-9_-]+)$/.exec(id)![1]!, 'base64url').toString());
    if (!Array.isArray(parts) || parts.length !== 3 || parts.some((part) => typeof part !== 'string')) throw invalid();
    const [tool, subject, correlationId] = parts as [string, string, string];
    return { tool, subject, correlationId };
  } catch {
    throw invalid();
  }
};

/** The value at a dotted path. */
export const valueAt = (value: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>((at, part) => (typeof at === 'object' && at !== null ? Reflect.get(at, part) : undefined), value);

/** What an answer says of the change that goes on after it. */
export const operationOf = (tool: ToolDefinition, data: Readonly<Record<string, unknown>>, correlationId: string) => {
  const subject = tool.follow === undefined ? undefined : valueAt(data, tool.follow.id);
  if (typeof subject !== 'string') return undefined;
  const id = operationId({ tool: tool.name, subject, correlationId });
  return { id, url: `/api/v1/operations/${id}`, state: String(valueAt(data, tool.follow!.state) ?? 'begun') };
};
