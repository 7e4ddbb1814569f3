import type { JsonSchema, ToolListing } from '../tool-schema.js';

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Said once, in the server's instructions, and not again for each of 50 tools. */
const OPTIONS: Readonly<Record<string, Json>> = {
  idempotency_key: { type: 'string' },
  dry_run: { type: 'boolean' },
  plan_id: { type: 'string' },
};

/** Numbers as large as integers get are no bound. */
const NOISE = new Set(['$schema', 'pattern', 'additionalProperties', 'propertyNames', 'format']);

const compact = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(compact);
  if (!isObject(value)) return value;
  const isType = typeof value['type'] === 'string';
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([key, inner]) => !(isType && NOISE.has(key)) && !(typeof inner === 'number' && Math.abs(inner) > 2 ** 52),
      )
      .map(([key, inner]) => [key, compact(inner)]),
  );
};

/** The arguments, in few tokens. The registry checks the real schema and names the nearest valid choice. */
export const compactInput = (schema: JsonSchema): JsonSchema => {
  const { properties = {}, required } = schema as unknown as { properties?: Json; required?: readonly string[] };
  const shown = Object.entries(properties).map(([name, inner]) => [name, OPTIONS[name] ?? compact(inner)]);
  return {
    type: 'object',
    properties: Object.fromEntries(shown) as Json,
    ...(required === undefined || required.length === 0 ? {} : { required }),
    additionalProperties: false,
  } as JsonSchema;
};

const OF_EVERY_ANSWER = new Set([
  'read_model',
  'normalised',
  'pending',
  'approval_id',
  'operation',
  'dry_run',
  'warnings',
]);

const typeOf = (schema: unknown): Json => {
  if (!isObject(schema)) return {};
  const { type } = schema;
  return typeof type === 'string' || Array.isArray(type) ? { type } : {};
};

/** The answer's outermost fields: what to look for. The whole schema is in /api/v1/openapi.json. */
export const compactOutput = (schema: JsonSchema): JsonSchema => {
  const { properties = {}, required = [] } = schema as unknown as { properties?: Json; required?: readonly string[] };
  const shown = Object.entries(properties).filter(([name]) => !OF_EVERY_ANSWER.has(name));
  return {
    type: 'object',
    properties: Object.fromEntries(shown.map(([name, inner]) => [name, typeOf(inner)])) as Json,
    ...(required.length === 0 ? {} : { required }),
  } as JsonSchema;
};

/** A tool as tools/list shows it. */
export const mcpTool = (tool: ToolListing) => ({
  name: tool.name,
  title: tool.summary,
  description: tool.description,
  inputSchema: compactInput(tool.input_schema),
  outputSchema: compactOutput(tool.output_schema),
  annotations: annotationsOf(tool),
});

/** Every change takes an idempotency key, so that repeating it is safe for all. */
export const annotationsOf = (tool: Pick<ToolListing, 'danger'>) => ({
  readOnlyHint: tool.danger === 'read',
  destructiveHint: tool.danger === 'destroy',
  idempotentHint: true,
  openWorldHint: false,
});
