import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { annotationsOf, ToolRegistry, type ToolListing } from '#tools';
import type { TestPlatform } from '../../testing/test-platform.js';
import { ROOT } from '../../version.js';

/**
 * Examples that speak of what only running machines make (a cluster, a candidate of a virtual IP): they are run as far as that, and are
 * refused because of the world, not because of what they say.
 */
const REFUSED_BY_THE_WORLD: ReadonlySet<number> = new Set([404, 409, 410, 422]);

/** What the registry promises of every tool. */
export const registryCases = (platform: () => TestPlatform): void => {
  let tools: readonly ToolListing[];
  const head = () => platform().platform.foundation.store.head();
  beforeAll(() => {
    tools = platform()
      .platform.app.get(ToolRegistry)
      .list(new Set(['*']));
  });

  it('has an example of every tool, and each runs: reads as they stand, changes as a dry run', async () => {
    const failed: unknown[] = [];
    const without: string[] = [];
    let ran = 0;
    const before = await head();
    for (const tool of tools) {
      const { required = [] } = tool.input_schema as { required?: readonly string[] };
      // What needs no argument is its own example.
      if (tool.examples.length === 0 && required.length > 0) {
        without.push(tool.name);
        continue;
      }
      for (const { arguments: args } of tool.examples.length === 0 ? [{ arguments: {} }] : tool.examples) {
        const dry = tool.danger === 'read' ? {} : { dry_run: true };
        const { status, body } = await platform().rest(tool.name, { ...args, ...dry });
        if (body.success) ran++;
        else if (!REFUSED_BY_THE_WORLD.has(status)) failed.push([tool.name, args, body.error]);
      }
    }
    expect(failed).toEqual([]);
    // Add `examples` to their definitions.
    expect(without).toEqual([]);
    expect(ran).toBeGreaterThan(60);
    // Not one of them left anything behind; what the platform does by itself meanwhile is its own.
    const { events } = await platform().platform.foundation.store.readAll(before, { limit: 500 });
    expect(events.filter(({ meta }) => meta.actor.kind === 'operator').map(({ type }) => type)).toEqual([]);
  });

  it('that says it only reads appends nothing over MCP either, called by the official client', async () => {
    const client = new Client({ name: 'reader', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    const requestInit = { headers: { authorization: `Bearer ${platform().token}` } };
    const address = new URL(`${platform().url}/mcp/all`);
    await client.connect(new StreamableHTTPClientTransport(address, { requestInit }));
    const { tools: listed } = await client.listTools();
    expect(listed.map(({ name }) => name)).toEqual(tools.map(({ name }) => name));
    const before = await head();
    const failed: unknown[] = [];
    let ran = 0;
    for (const { name, annotations } of listed) {
      if (annotations?.readOnlyHint !== true) continue;
      const { examples } = tools.find((tool) => tool.name === name)!;
      const answer = await client.callTool({ name, arguments: { ...examples[0]?.arguments } });
      const code = (answer.structuredContent as { error?: { code: string } }).error?.code;
      if (code === undefined) ran++;
      else if (/^(missing|invalid|unknown_parameter|permission|internal)/.test(code)) failed.push([name, code]);
    }
    await client.close();
    expect(failed).toEqual([]);
    expect(ran).toBeGreaterThan(30);
    const { events } = await platform().platform.foundation.store.readAll(before, { limit: 500 });
    expect(events.filter(({ meta }) => meta.actor.kind === 'operator').map(({ type }) => type)).toEqual([]);
  });

  it('is in the reference as a whole: npm run reference', () => {
    const page = readFileSync(join(ROOT, 'docs/reference/tools.md'), 'utf8');
    const documented = [...page.matchAll(/^### (\w+)$/gm)].map((match) => match[1]);
    expect(tools.map(({ name }) => name).filter((name) => !documented.includes(name))).toEqual([]);
  });

  it('tells assistants no more and no less than the danger says', () => {
    for (const tool of tools) {
      const { readOnlyHint, destructiveHint } = annotationsOf(tool);
      expect([tool.name, readOnlyHint, destructiveHint]).toEqual([
        tool.name,
        tool.danger === 'read',
        tool.danger === 'destroy',
      ]);
      const { properties } = tool.input_schema as { properties?: object };
      expect([tool.name, Object.hasOwn(properties ?? {}, 'dry_run')]).toEqual([tool.name, tool.danger !== 'read']);
    }
  });
};
