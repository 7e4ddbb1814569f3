import { request } from 'node:http';
import { connectMcp, startTestPlatform, type TestPlatform } from './testing/test-platform.js';

let drover: TestPlatform;
beforeAll(async () => {
  drover = await startTestPlatform();
});
afterAll(() => drover.stop());

/** fetch refuses to send some headers; this does not. */
const raw = (path: string, headers: Record<string, string>, body?: string) =>
  new Promise<{ status: number; text: string; headers: Record<string, unknown> }>((resolve, reject) => {
    const sent = request(
      `${drover.url}${path}`,
      { method: body === undefined ? 'GET' : 'POST', headers },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
const bearer = () => ({ authorization: `Bearer ${drover.token}` });

describe('MCP', () => {
  it('lists every tool with schemas and annotations to the official client', async () => {
    const client = await drover.mcp();
    const { tools } = await client.listTools();
    const recent = tools.find((tool) => tool.name === 'recent_events')!;
    expect(recent.inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
    expect(recent.annotations).toMatchObject({ readOnlyHint: true, destructiveHint: false });
    expect(recent.description!.length).toBeLessThanOrEqual(600);
    await client.close();
  });

  it('answers a call with the data as structured content', async () => {
    const client = await drover.mcp();
    const answer = await client.callTool({ name: 'recent_events', arguments: { limit: 2 } });
    expect(answer.isError ?? false).toBe(false);
    expect((answer.structuredContent as { events: unknown[] }).events).toHaveLength(2);
    await client.close();
  });

  it('answers a refusal as an error with code, field and hint', async () => {
    const client = await drover.mcp();
    const answer = await client.callTool({ name: 'platform.recent_events', arguments: { limt: 2 } });
    expect(answer.isError).toBe(true);
    expect(answer.structuredContent).toEqual({
      error: {
        code: 'unknown_parameter',
        message: 'limt: there is no such parameter',
        field: 'limt',
        hint: 'did you mean limit?',
        candidates: [{ id: 'limit' }],
      },
    });
    await client.close();
  });

  it('lets nobody in without a valid token', async () => {
    await expect(connectMcp(drover.url, 'drv_wrong')).rejects.toThrow();
  });
});

describe('REST', () => {
  it('answers the same data as MCP', async () => {
    const client = await drover.mcp();
    const { structuredContent } = await client.callTool({ name: 'recent_events', arguments: { limit: 3 } });
    const { status, body } = await drover.rest('recent_events', { limit: 3 });
    expect(status).toBe(200);
    expect(body).toEqual({ success: true, data: structuredContent });
    await client.close();
  });

  it('follows with the cursor: nothing new, then nothing missed', async () => {
    const first = (await drover.rest('recent_events', { limit: 1 })).body.data;
    const next = (await drover.rest('recent_events', { after: first.next_cursor })).body.data;
    expect(next).toEqual({ events: [], next_cursor: first.next_cursor });
  });

  it('lists the tools that the token may call', async () => {
    const { text } = await raw('/api/v1/tools', bearer());
    expect(JSON.parse(text).data.tools.map((t: { name: string }) => t.name)).toContain('verify_audit');
  });

  it('verifies the chain of the log', async () => {
    const { body } = await drover.rest('verify_audit', {});
    expect(body.data).toMatchObject({ intact: true });
  });
});

describe('bad requests are refused with an envelope', () => {
  const post = (name: string, body: string, headers: Record<string, string> = {}) =>
    raw(`/api/v1/tools/${name}`, { ...bearer(), 'content-type': 'application/json', ...headers }, body);

  it.each([
    ['no token', () => raw('/api/v1/tools', {}), 401, 'missing_token'],
    ['another scheme', () => raw('/api/v1/tools', { authorization: 'Basic YTpi' }), 401, 'invalid_token'],
    ['an unknown token', () => raw('/api/v1/tools', { authorization: 'Bearer drv_x' }), 401, 'invalid_token'],
    ['MCP without a token', () => raw('/mcp', {}, '{}'), 401, 'missing_token'],
    ['metrics without a token', () => raw('/metrics', {}), 401, 'missing_token'],
    ['a foreign Host', () => raw('/healthz', { host: 'evil.example' }), 403, 'foreign_origin'],
    [
      'a foreign Origin',
      () => raw('/mcp', { ...bearer(), origin: 'https://evil.example' }, '{}'),
      403,
      'foreign_origin',
    ],
    ['an unknown path', () => raw('/api/v2', bearer()), 404, 'not_found'],
    ['an unknown tool', () => post('recent_event', '{}'), 404, 'unknown_tool'],
    ['no JSON', () => post('recent_events', '{'), 400, 'malformed_request'],
    ['no object', () => post('recent_events', '[]'), 400, 'invalid_arguments'],
    ['a forged cursor', () => post('recent_events', '{"after":"AAAA"}'), 400, 'invalid_cursor'],
    [
      'a body over the limit',
      () => post('recent_events', `{"kind_prefix":"${'x'.repeat(1_100_000)}"}`),
      413,
      'body_too_large',
    ],
  ])('%s', async (_, send, status, code) => {
    const answer = await send();
    expect({ status: answer.status, ...JSON.parse(answer.text) }).toMatchObject({
      status,
      success: false,
      error: { code, message: expect.any(String) },
    });
    expect(answer.headers).not.toHaveProperty('x-powered-by');
  });
});

describe('health', () => {
  it('is open and says what is ready', async () => {
    expect(await raw('/healthz', {})).toMatchObject({ status: 200 });
    const ready = await raw('/readyz', {});
    expect(JSON.parse(ready.text)).toMatchObject({ status: 'ready', checks: { event_store: 'ok' } });
  });

  it('counts tool calls for Prometheus', async () => {
    await drover.rest('recent_events', {});
    const { text } = await raw('/metrics', bearer());
    expect(text).toMatch(/drover_tool_calls_total\{tool="recent_events",outcome="ok"\} \d+/);
    expect(text).toMatch(/drover_processing_faults 0/);
    expect(text).toMatch(/drover_processing_lag_events\{lane="projection:fleet_nodes_v\d+"\} \d+/);
  });
});
