import type { JsonSchema, ToolListing } from '../tool-schema.js';
import { pathArguments, RESOURCE_ROUTES, type Method, type ResourceRoute } from './routes.js';

type Json = Readonly<Record<string, unknown>>;

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const parameter = (name: string) => ({ $ref: `#/components/parameters/${name}` });

/** OpenAPI 3.1 speaks JSON Schema 2020-12 itself and wants no dialect in every schema. */
const schemaOf = (schema: JsonSchema): Json =>
  Object.fromEntries(Object.entries(schema).filter(([key]) => key !== '$schema'));

const envelope = (data: Json): Json => ({
  type: 'object',
  properties: { success: { const: true }, data },
  required: ['success', 'data'],
});

const answered = (tool: ToolListing, status: string, description: string): Json => ({
  [status]: {
    description,
    ...(tool.danger === 'read' ? { headers: { ETag: { schema: { type: 'string' } } } } : {}),
    content: { 'application/json': { schema: envelope(schemaOf(tool.output_schema)) } },
  },
});

const REFUSED = { $ref: '#/components/responses/Refused' };

const responses = (tool: ToolListing, method?: Method): Json => ({
  ...answered(
    tool,
    '200',
    tool.danger === 'read' ? 'What there is' : 'Done, planned, pending, or so already: see outcome',
  ),
  ...(method === 'post' ? answered(tool, '202', 'Begun: operation.url tells how it goes on') : {}),
  default: REFUSED,
});

const shared = (tool: ToolListing): Json => ({
  tags: [tool.group],
  summary: tool.summary,
  description: tool.description,
  'x-permission': tool.permission,
  'x-danger': tool.danger,
});

const examplesOf = (tool: ToolListing): Json =>
  tool.examples.length === 0
    ? {}
    : {
        examples: Object.fromEntries(
          tool.examples.map(({ title, arguments: value }, i) => [`example_${i + 1}`, { summary: title, value }]),
        ),
      };

const toolPath = (tool: ToolListing): Json => ({
  post: {
    operationId: tool.name,
    ...shared(tool),
    parameters: tool.danger === 'read' ? [] : [parameter('IdempotencyKey')],
    requestBody: {
      required: ((schemaOf(tool.input_schema)['required'] as readonly string[] | undefined) ?? []).length > 0,
      content: { 'application/json': { schema: schemaOf(tool.input_schema), ...examplesOf(tool) } },
    },
    responses: responses(tool),
  },
});

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, Json>>;
  readonly required?: readonly string[];
}

/** Arguments of a reading route are in its query; those of a changing one in its body. */
const routeOperation = (route: ResourceRoute, tool: ToolListing): Json => {
  const inPath = pathArguments(route.path);
  const { properties = {}, required = [] } = schemaOf(tool.input_schema) as ObjectSchema;
  const rest = Object.entries(properties).filter(([name]) => !inPath.includes(name));
  const path = inPath.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
  const asQuery = route.method === 'get' || route.method === 'delete';
  const query = rest.map(([name, schema]) => ({ name, in: 'query', required: required.includes(name), schema }));
  const body = {
    type: 'object',
    properties: Object.fromEntries(rest),
    required: required.filter((name) => !inPath.includes(name)),
    additionalProperties: false,
  };
  return {
    operationId: `${route.method}_${route.path.replaceAll(/\W+/g, '_').replace(/_$/, '')}`,
    ...shared(tool),
    'x-tool': tool.name,
    parameters: [
      ...path,
      ...(asQuery ? query : []),
      ...(tool.danger === 'read' ? [parameter('IfNoneMatch')] : [parameter('IdempotencyKey')]),
    ],
    ...(asQuery
      ? {}
      : { requestBody: { required: body.required.length > 0, content: { 'application/json': { schema: body } } } }),
    responses: {
      ...responses(tool, route.method),
      ...(tool.danger === 'read' ? { '304': { description: 'Unchanged since the ETag in If-None-Match' } } : {}),
    },
  };
};

const resourcePaths = (tools: ReadonlyMap<string, ToolListing>): Json => {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of RESOURCE_ROUTES) {
    const tool = tools.get(route.tool);
    if (tool === undefined) continue;
    const path = `/api/v1/${route.path}`;
    paths[path] = { ...paths[path], [route.method]: routeOperation(route, tool) };
  }
  return paths;
};

const text = { type: 'string' };
const candidates = {
  type: 'array',
  items: { type: 'object', properties: { id: text, name: text }, required: ['id'] },
};
const told = { code: text, message: text, field: text, hint: text, candidates };

const COMPONENTS: Json = {
  securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'An operator token' } },
  parameters: {
    IdempotencyKey: {
      name: 'Idempotency-Key',
      in: 'header',
      description: 'The same as idempotency_key: repeated under one key, a call happens once',
      schema: { type: 'string', minLength: 1, maxLength: 200 },
    },
    IfNoneMatch: { name: 'If-None-Match', in: 'header', schema: text },
  },
  schemas: {
    Error: { type: 'object', properties: told, required: ['code', 'message'] },
    Refusal: {
      type: 'object',
      properties: { success: { const: false }, error: ref('Error') },
      required: ['success', 'error'],
    },
    Problem: {
      type: 'object',
      description: 'RFC 9457, when Accept asks for application/problem+json',
      properties: { type: text, title: text, status: { type: 'integer' }, detail: text, ...told },
      required: ['type', 'title', 'status', 'detail', 'code'],
    },
  },
  responses: {
    Refused: {
      description: 'Refused, naming field, reason and the nearest valid choice',
      content: {
        'application/json': { schema: ref('Refusal') },
        'application/problem+json': { schema: ref('Problem') },
      },
    },
  },
};

/** The whole of /api/v1 as an OpenAPI 3.1 document: every tool by name, and the resources. */
export const openApiDocument = (listings: readonly ToolListing[], version: string): Json => {
  const tools = new Map(listings.map((tool) => [tool.name, tool]));
  return {
    openapi: '3.1.0',
    info: {
      title: 'Drover',
      version,
      description:
        'Turns machines into K3s clusters and keeps them reachable. Answers are {success: true, data} or {success: false, error}. ' +
        'Every changing call takes dry_run and idempotency_key.',
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    tags: [...new Set(listings.map((tool) => tool.group))].sort().map((name) => ({ name })),
    paths: {
      ...Object.fromEntries(listings.map((tool) => [`/api/v1/tools/${tool.name}`, toolPath(tool)])),
      ...resourcePaths(tools),
    },
    components: COMPONENTS,
  };
};
