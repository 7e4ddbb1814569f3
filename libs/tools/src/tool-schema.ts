import { z } from 'zod';
import type { ToolDefinition } from './define-tool.js';

/** Accepted by every tool that changes something, beside its own arguments. */
export const idempotencyKey = z
  .string()
  .min(1)
  .max(200)
  .describe('Repeat a call under the same key and it happens once; the answer is the same.');

/** Answered by every tool that changes something, beside its own data. */
export const mutationAnswer = {
  outcome: z.enum(['done', 'nothing']).describe('nothing: the wanted state held already'),
  position: z.string().optional().describe('Opaque cursor of the last event written'),
  correlation_id: z.string(),
  warnings: z.array(z.string()).optional(),
  read_model: z.literal('behind').optional().describe('Written, but lists may not show it yet'),
};

const normalised = z
  .record(z.string(), z.string())
  .optional()
  .describe('Arguments brought to their names: alias → name');

/** The whole input of a tool: its own arguments and, when it changes something, the idempotency key. */
export const inputSchema = (tool: ToolDefinition): z.ZodObject =>
  tool.danger === 'read' || 'idempotency_key' in tool.input.shape
    ? tool.input
    : tool.input.safeExtend({ idempotency_key: idempotencyKey.optional() });

export const outputSchema = (tool: ToolDefinition): z.ZodObject =>
  tool.output.safeExtend({
    ...(tool.danger === 'read' ? { warnings: mutationAnswer.warnings } : mutationAnswer),
    normalised,
  });

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
  ...(tool.cli === undefined ? {} : { cli: tool.cli }),
  aliases: tool.aliases ?? {},
  examples: tool.examples ?? [],
  input_schema: inputJsonSchema(tool),
  output_schema: outputJsonSchema(tool),
});
