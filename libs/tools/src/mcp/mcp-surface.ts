import { createMcpHandler, Server, type McpHttpHandler } from '@modelcontextprotocol/server';
import { errorMessage, type Log } from '#kernel';
import type { Principal } from '#access';
import { internalError, toolError } from '../rest/envelope.js';
import type { ToolAnswer } from '../tool-call.js';
import type { ToolRegistry } from '../tool-registry.js';
import type { ToolListing } from '../tool-schema.js';

const INSTRUCTIONS =
  'Drover turns machines into K3s clusters and keeps them reachable. Changing tools take idempotency_key; recent_events shows what happened.';

/** Where the caller's principal travels through the SDK's pass-through auth info. */
export const PRINCIPAL_KEY = 'drover.principal';

export interface McpSurfaceOptions {
  readonly registry: ToolRegistry;
  readonly version: string;
  readonly log: Log;
  readonly maxBodyBytes: number;
}

/** MCP over Streamable HTTP: stateless, one server object a request, the caller already authenticated. */
export const createMcpSurface = (options: McpSurfaceOptions): McpHttpHandler =>
  createMcpHandler((context) => mcpServer(options, context.authInfo?.extra?.[PRINCIPAL_KEY] as Principal | undefined), {
    maxRequestBodySize: options.maxBodyBytes,
    onerror: (error) => options.log.warn({ error: errorMessage(error) }, 'mcp request failed'),
  });

const mcpServer = ({ registry, version }: McpSurfaceOptions, principal: Principal | undefined): Server => {
  if (principal === undefined) throw new Error('the MCP surface was reached without a principal');
  const server = new Server({ name: 'drover', version }, { capabilities: { tools: {} }, instructions: INSTRUCTIONS });
  server.setRequestHandler('tools/list', () => ({ tools: registry.list(principal.permissions).map(mcpTool) }));
  server.setRequestHandler('tools/call', async ({ params }) =>
    mcpResult(await registry.call({ name: params.name, arguments: params.arguments, principal })),
  );
  return server;
};

const mcpTool = (tool: ToolListing) => ({
  name: tool.name,
  title: tool.summary,
  description: tool.description,
  inputSchema: tool.input_schema,
  outputSchema: tool.output_schema,
  annotations: {
    title: tool.summary,
    readOnlyHint: tool.danger === 'read',
    destructiveHint: tool.danger === 'destroy',
    idempotentHint: tool.danger === 'read',
    openWorldHint: false,
  },
});

const mcpResult = (answer: ToolAnswer) => {
  if (answer.kind === 'ok') return { ...text(answer.data), structuredContent: { ...answer.data } };
  if (answer.kind === 'consent') throw new Error('nobody was offered to be asked');
  const error = answer.kind === 'refused' ? toolError(answer.refusal) : internalError(answer.correlationId);
  return { ...text({ error }), structuredContent: { error }, isError: true };
};

const text = (value: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] });
