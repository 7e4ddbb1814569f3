import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { BYTES_PER_TOKEN, ToolRegistry, type ToolListing } from '#tools';
import { Metrics } from '../../metrics.js';
import type { TestPlatform } from '../../testing/test-platform.js';

/** MCP as assistants see it. */
export const mcpCases = (platform: () => TestPlatform): void => {
  const clients: Client[] = [];

  const connect = async (path = '/mcp', headers: Record<string, string> = {}, mode: 'legacy' | 'auto' = 'legacy') => {
    const client = new Client({ name: 'drover-test', version: '1.0.0' }, { versionNegotiation: { mode } });
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

  describe('a request', () => {
    it('is answered to its own caller, whatever ids others use', async () => {
      const make = (i: number) =>
        fetch(`${platform().url}/mcp`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${platform().token}`,
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            'mcp-protocol-version': '2025-11-25',
          },
          // Every client counts its requests from 1.
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: `no_such_tool_${i}` } }),
        }).then((response) => response.text());
      const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => make(i)));
      for (const [i, answer] of answers.entries()) {
        expect(answer).toContain(`no_such_tool_${i}\\\"`);
        expect(answer.match(/no_such_tool_\d+/g)!.every((name) => name === `no_such_tool_${i}`)).toBe(true);
      }
    });

    it('may name any tool on /mcp, and only chosen ones elsewhere', async () => {
      const args = { name: 'platform.system_sdwan_get_topology', arguments: { network_id: 'k3s-prod-net' } };
      expect((await (await connect()).callTool(args)).isError ?? false).toBe(false);
      const answer = await (await connect('/mcp/x/events')).callTool(args);
      expect(answer.structuredContent).toMatchObject({ error: { code: 'not_in_toolset' } });
      const made = { name: 'system_create_template', arguments: { name: 'never-made' } };
      const readonly = await (await connect('/mcp/readonly')).callTool(made);
      expect(readonly.structuredContent).toMatchObject({ error: { code: 'readonly' } });
    });

    it('is told how far it is when it asks, in the present era', async () => {
      const client = await connect('/mcp', {}, 'auto');
      expect(client.getProtocolEra()).toBe('modern');
      const begun = await client.callTool({ name: 'system_provision_instance', arguments: { node_id: 'spare' } });
      const { operation } = begun.structuredContent as { operation: { id: string; state: string } };
      expect(operation.state).toBe('provisioning');
      const told: string[] = [];
      const followed = await client.callTool(
        { name: 'get_operation', arguments: { operation_id: operation.id, wait_seconds: 1 } },
        { onprogress: ({ message }) => void told.push(message ?? '') },
      );
      expect(followed.structuredContent).toMatchObject({ operation: { status: 'running', state: 'provisioning' } });
      expect(told).toEqual(['provisioning']);
    });

    it('of a long call that is cancelled stops waiting, in either era, and no other with its number does', async () => {
      await platform().rest('system_create_node', { hostname: 'spare-2', node_template_id: 'k3s-worker' });
      const { body } = await platform().rest('system_provision_instance', { node_id: 'spare-2' });
      const operation_id = (body.data as { operation: { id: string } }).operation.id;
      const args = { name: 'get_operation', arguments: { operation_id, wait_seconds: 300 } };
      const ended = async (): Promise<number> => {
        const { text } = await platform().platform.app.get(Metrics).scrape();
        const counted = [...text.matchAll(/^drover_tool_calls_total\{[^}]*tool="get_operation"[^}]*\} (\d+)$/gm)];
        return counted.reduce((sum, [, count]) => sum + Number(count), 0);
      };
      const before = await ended();
      const begin = async (client: Client) => {
        const cancel = new AbortController();
        const begun = new Promise<void>((resolve) => {
          const call = client.callTool(args, { signal: cancel.signal, timeout: 300_000, onprogress: () => resolve() });
          void expect(call).rejects.toThrow();
        });
        return { cancel, begun };
      };
      const clients = [await connect(), await connect(), await connect('/mcp', {}, 'auto')];
      expect(clients.map((client) => client.getProtocolEra())).toEqual(['legacy', 'legacy', 'modern']);
      const calls = await Promise.all(clients.map(begin));
      await Promise.all(calls.map(({ begun }) => begun));
      const until = async (count: number) => {
        while ((await ended()) < before + count) await new Promise((resolve) => setTimeout(resolve, 100));
        return (await ended()) - before;
      };
      for (const [i, { cancel }] of calls.entries()) {
        cancel.abort();
        expect(await until(i + 1)).toBe(i + 1);
      }
    });

    it('that answers with too much goes on where it was cut, until nothing is left out', async () => {
      const description = 'y'.repeat(150);
      for (let i = 0; i < 100; i++) await platform().rest('system_create_template', { name: `many-${i}`, description });
      const client = await connect();
      const seen: string[] = [];
      let pages = 0;
      for (let cursor: string | undefined | null; cursor !== null; pages++) {
        const args = { limit: 200, ...(cursor === undefined ? {} : { cursor }) };
        const { structuredContent } = await client.callTool({ name: 'system_list_templates', arguments: args });
        const page = structuredContent as { templates: { name: string }[]; next_cursor: string | null };
        seen.push(...page.templates.map(({ name }) => name));
        cursor = page.next_cursor;
      }
      expect(pages).toBeGreaterThan(1);
      expect(seen.filter((name) => name.startsWith('many-')).length).toBe(100);
      expect(new Set(seen).size).toBe(seen.length);
    });

    it('gets the runbooks as prompts and resources, and one thing as a resource', async () => {
      const client = await connect('/mcp', {}, 'auto');
      const { prompts } = await client.listPrompts();
      expect(prompts.map((prompt) => prompt.name)).toEqual(
        expect.arrayContaining(['runbook-node-lost', 'diagnose-instance']),
      );
      const { messages } = await client.getPrompt({ name: 'runbook-node-lost', arguments: { subject: 'gw-1' } });
      expect(JSON.stringify(messages)).toContain('gw-1');
      const doc = await client.readResource({ uri: 'drover://docs/runbooks/node-lost' });
      expect(JSON.stringify(doc)).toContain('# A node is lost');
      const thing = await client.readResource({ uri: 'drover://instance/gw-1' });
      expect(JSON.stringify(thing)).toContain('gw-1');
    });

    it('is refused when the catalogue is not the one that was pinned', async () => {
      const { digest } = (
        (await (
          await fetch(`${platform().url}/api/v1/tools`, { headers: { authorization: `Bearer ${platform().token}` } })
        ).json()) as { data: { digest: string } }
      ).data;
      expect(
        (await (await connect('/mcp', { 'X-Drover-Catalogue': digest })).listTools()).tools.length,
      ).toBeGreaterThan(10);
      await expect(connect('/mcp', { 'X-Drover-Catalogue': 'sha256:0' })).rejects.toThrow();
    });
  });
};
