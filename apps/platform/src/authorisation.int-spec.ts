import { PERMISSIONS } from '#access';
import { ToolRegistry, type ToolListing } from '#tools';
import { makeExamplesWorld } from './http/testing/examples-world.js';
import { makeCallers, PRINCIPAL_KINDS, type Caller } from './testing/principals.js';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

/** Who may do what, for every tool that there is: generated from the registry, so that a new tool is in it by itself. */
let drover: TestPlatform;
let tools: readonly ToolListing[];
let callers: readonly Caller[];

beforeAll(async () => {
  drover = await startTestPlatform({ DROVER_EVENT_STORE: 'memory', DROVER_LOGIN_FAILURES: '100000' });
  tools = drover.platform.app.get(ToolRegistry).list(new Set(['*']));
  callers = await makeCallers(drover);
  await makeExamplesWorld(drover);
});
afterAll(() => drover.stop());

type Surface = (tool: string, args: object, authorization: string | undefined) => Promise<string>;

const headersOf = (authorization: string | undefined) => ({
  'content-type': 'application/json',
  ...(authorization === undefined ? {} : { authorization }),
});

/** The code of the answer: `ok`, or that of the refusal. */
const rest: Surface = async (tool, args, authorization) => {
  const url = `${drover.url}/api/v1/tools/${tool}`;
  const answer = await fetch(url, { method: 'POST', headers: headersOf(authorization), body: JSON.stringify(args) });
  const body = (await answer.json()) as { success: boolean; error?: { code: string } };
  return body.success ? 'ok' : `${answer.status === 401 ? 401 : ''}${body.error!.code}`;
};

const mcp: Surface = async (tool, args, authorization) => {
  const answer = await fetch(`${drover.url}/mcp`, {
    method: 'POST',
    headers: {
      ...headersOf(authorization),
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: args } }),
  });
  const text = await answer.text();
  if (answer.status === 401) return `401${(JSON.parse(text) as { error: { code: string } }).error.code}`;
  return /\b(permission_denied|unknown_parameter|human_needed|unknown_tool)\b/.exec(text)?.[1] ?? text.slice(0, 300);
};

/** Nothing that a tool knows: whoever may call the tool is told so, and nothing happens. Who may not learns nothing of its arguments. */
const NONSENSE = { zz_matrix: 1 };

const expected = ({ kind, permissions }: Caller, tool: ToolListing): string => {
  if (kind === 'anonymous') return '401missing_token';
  if (permissions === undefined) return '401invalid_token';
  return permissions.has(tool.permission) ? 'unknown_parameter' : 'permission_denied';
};

describe('every tool', () => {
  it('asks for a permission that is declared, with a meaning and a role', () => {
    const undeclared = tools.filter((tool) => !Object.hasOwn(PERMISSIONS, tool.permission));
    expect(undeclared.map(({ name, permission }) => [name, permission])).toEqual([]);
    // Asked for by the streams of events, which are no tool.
    const used = new Set([...tools.map((tool) => tool.permission), 'platform.events.read']);
    expect(Object.keys(PERMISSIONS).filter((name) => !used.has(name))).toEqual([]);
  });

  it.each([
    ['REST', rest],
    ['MCP', mcp],
  ] as const)('over %s opens to exactly those who may', async (_, surface) => {
    const wrong: unknown[] = [];
    let cells = 0;
    for (const tool of tools) {
      await Promise.all(
        callers.map(async (caller) => {
          const got = await surface(tool.name, NONSENSE, caller.authorization);
          cells++;
          if (got !== expected(caller, tool)) wrong.push([tool.name, caller.kind, got, expected(caller, tool)]);
        }),
      );
    }
    expect(wrong).toEqual([]);
    expect(cells).toBe(tools.length * PRINCIPAL_KINDS.length);
    expect(tools.length).toBeGreaterThan(80);
  });
});
