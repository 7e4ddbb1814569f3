import { Client, StreamableHTTPClientTransport, type CallToolResult } from '@modelcontextprotocol/client';

export interface Refused {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** A tool call that the platform refused; carries the platform's own words. */
export class ToolRefused extends Error {
  override readonly name = 'ToolRefused';
  constructor(
    readonly tool: string,
    readonly refused: Refused,
  ) {
    super(`${tool}: ${refused.code}: ${refused.message}${refused.hint === undefined ? '' : ` (${refused.hint})`}`);
  }
}

/** What an operator's calls go through: the official client, here or in a process of its own. */
export interface McpCaller {
  callTool(call: { readonly name: string; readonly arguments: Record<string, unknown> }): Promise<CallToolResult>;
  close(): Promise<void>;
}

/** An operator as an AI assistant would be one: the official MCP client, a bearer token, and nothing else. */
export class Operator {
  constructor(private readonly client: McpCaller) {}

  static async connect(mcpUrl: string, token: string): Promise<Operator> {
    const client = new Client({ name: 'drover-demo', version: '1.0.0' });
    const transport = new StreamableHTTPClientTransport(new URL(mcpUrl), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
    });
    await client.connect(transport);
    return new Operator(client);
  }

  async call<T = Record<string, unknown>>(tool: string, args: Record<string, unknown> = {}): Promise<T> {
    const result = await this.client.callTool({ name: tool, arguments: args });
    const data = result.structuredContent as Record<string, unknown> | undefined;
    if (result.isError === true) {
      const text = result.content.find((c) => c.type === 'text');
      const refused = (data?.['error'] ??
        data ?? { code: 'error', message: text?.text ?? 'no reason given' }) as Refused;
      throw new ToolRefused(tool, refused);
    }
    return data as T;
  }

  close(): Promise<void> {
    return this.client.close();
  }
}
