import { z } from 'zod';
import type { ToolDefinition } from './define-tool.js';

/** Accepted by every tool that changes something, beside its own arguments. */
export const idempotencyKey = z
  .string()
  .min(1)
  .max(200)
  .describe('Repeat a call under the same key and it happens once; the answer is the same.');

/** Taken by every changing tool: nothing is kept, and the answer tells what would follow. */
export const dryRun = z
  .boolean()
  .describe('Change nothing; answer what would follow: events, virtual IP moves, changes per node, a plan_id');

export const planId = z
  .string()
  .max(100)
  .describe('plan_id of a dry_run of this very call, at most 10 minutes old; only guarded tokens need one');

const rows = z.array(z.record(z.string(), z.unknown()));

/** Answered by every tool that changes something, beside its own data. */
export const mutationAnswer = {
  outcome: z
    .enum(['done', 'nothing', 'planned', 'pending'])
    .describe('nothing: the wanted state held already. planned: this was a dry run. pending: waits for an approval'),
  position: z.string().optional().describe('Opaque cursor of the last event written'),
  correlation_id: z.string(),
  warnings: z.array(z.string()).optional(),
  read_model: z.literal('behind').optional().describe('Written, but lists may not show it yet'),
  dry_run: z
    .object({
      would_be: z.enum(['done', 'nothing', 'pending', 'refused', 'unknown']),
      plan_id: z.string(),
      plan_expires_at: z.string(),
      events: rows,
      vip_moves: rows,
      nodes_touched: rows,
      cannot_predict: z.array(z.string()),
      stopped_early: z.string().optional(),
    })
    .optional()
    .describe('Only of a dry run; ids and tokens in the answer are placeholders then'),
  operation: z
    .object({ id: z.string(), url: z.string(), state: z.string() })
    .optional()
    .describe('What goes on after this answer: get_operation follows it'),
  pending: z.boolean().optional().describe('true: an approval is needed, see approval_id'),
  approval_id: z.string().optional().describe('get_approval tells how it stands'),
};

const normalised = z
  .record(z.string(), z.string())
  .optional()
  .describe('Arguments brought to their names: alias → name');

/** The whole input of a tool: its own arguments and, when it changes something, how to call it. */
export const inputSchema = (tool: ToolDefinition): z.ZodObject => {
  if (tool.danger === 'read') return tool.input;
  const needsPlan = tool.danger === 'destroy' || tool.disruptive === true;
  return tool.input.safeExtend({
    ...('idempotency_key' in tool.input.shape ? {} : { idempotency_key: idempotencyKey.optional() }),
    ...('dry_run' in tool.input.shape ? {} : { dry_run: dryRun.optional() }),
    ...(needsPlan ? { plan_id: planId.optional() } : {}),
  });
};

/** A changing tool's own data is absent when nothing was done: in a dry run that could not run it, and while an approval is pending. */
export const outputSchema = (tool: ToolDefinition): z.ZodObject =>
  tool.danger === 'read'
    ? tool.output.safeExtend({ warnings: mutationAnswer.warnings, normalised })
    : tool.output.partial().safeExtend({ ...mutationAnswer, normalised });

export type JsonSchema = Readonly<Record<string, unknown>> & { readonly type: 'object' };

const asJsonSchema = (schema: z.ZodObject, io: 'input' | 'output'): JsonSchema =>
  z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as unknown as JsonSchema;

/** What MCP, OpenAPI and the CLI show. Unknown arguments are refused, and the schema says so. */
export const inputJsonSchema = (tool: ToolDefinition): JsonSchema => ({
  ...asJsonSchema(inputSchema(tool), 'input'),
  additionalProperties: false,
});

export const outputJsonSchema = (tool: ToolDefinition): JsonSchema => asJsonSchema(outputSchema(tool), 'output');

/** A tool as the outside sees it: the answer of tools/list, GET /api/v1/tools and the source of the CLI. */
export interface ToolListing {
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  readonly description: string;
  readonly permission: string;
  readonly danger: ToolDefinition['danger'];
  readonly disruptive: boolean;
  readonly cli?: readonly [noun: string, verb: string];
  readonly aliases: Readonly<Record<string, string>>;
  readonly examples: NonNullable<ToolDefinition['examples']>;
  readonly input_schema: JsonSchema;
  readonly output_schema: JsonSchema;
}

export const toolListing = (tool: ToolDefinition): ToolListing => ({
  name: tool.name,
  group: tool.group,
  summary: tool.summary,
  description: tool.description,
  permission: tool.permission,
  danger: tool.danger,
  disruptive: tool.disruptive === true,
  ...(tool.cli === undefined ? {} : { cli: tool.cli }),
  aliases: tool.aliases ?? {},
  examples: tool.examples ?? [],
  input_schema: inputJsonSchema(tool),
  output_schema: outputJsonSchema(tool),
});
