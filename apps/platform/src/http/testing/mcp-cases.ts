import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { BYTES_PER_TOKEN, ToolRegistry, type ToolListing } from '#tools';
import type { TestPlatform } from '../../testing/test-platform.js';

/** MCP as assistants see it. */
export const mcpCases = (platform: () => TestPlatform): void => {
  const clients: Client[] = [];

  const connect = async (path = '/mcp', headers: Record<string, string> = {}) => {
    const client = new Client({ name: 'drover-test', version: '1.0.0' });
    const requestInit = { headers: { authorization: `Bearer ${platform().token}`, ...headers } };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${platform().url}${path}`), { requestInit }));
    clients.push(client);
    return client;
  };
  const names = async (path: string, headers = {}) =>
    (await (await connect(path, headers)).listTools()).tools.map((t) => t.name);

  let all: readonly ToolListing[];
  beforeAll(() => {
    all = platform()
      .platform.app.get(ToolRegistry)
      .list(new Set(['*']));
  });
  afterAll(async () => {
    for (const client of clients) await client.close();
  });

  describe('what an assistant is shown', () => {
    it('is at most 20 tools and 8,000 tokens', async () => {
      const { tools } = await (await connect()).listTools();
      expect(tools.length).toBeLessThanOrEqual(20);
      expect(JSON.stringify(tools).length / BYTES_PER_TOKEN).toBeLessThanOrEqual(8_000);
    });

    it('depends on the address, and readonly wins over all', async () => {
      expect((await names('/mcp/all')).length).toBe(all.length);
      const some = all.filter((tool) => tool.group === 'sdwan' || tool.group === 'events').map((tool) => tool.name);
      expect(await names('/mcp/x/sdwan,events')).toEqual(some);
      expect(await names('/mcp', { 'X-MCP-Toolsets': 'sdwan,events' })).toEqual(some);
      const readers = all.filter((tool) => tool.danger === 'read').map((tool) => tool.name);
      expect(await names('/mcp/all/readonly')).toEqual(readers);
      expect(await names('/mcp/all', { 'X-MCP-Readonly': 'true' })).toEqual(readers);
      await expect(connect('/mcp/x/sdwam')).rejects.toThrow();
    });
  });
};
