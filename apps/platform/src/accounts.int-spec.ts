import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import { ToolRegistry, type ToolListing } from '#tools';
import { connectGrpc } from '../../../libs/consumers/src/testing/grpc-client.js';
import { makeExamplesWorld } from './http/testing/examples-world.js';
import { makeToken } from './http/testing/tokens.js';
import { connectMcp, startTestPlatform, type TestPlatform } from './testing/test-platform.js';

/** Operators and tokens through their tools, and two accounts beside each other. */
let drover: TestPlatform;
let tools: readonly ToolListing[];
/** The admin of the other account. */
let other: string;

type Answer = Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any
const ok = async (tool: string, args: object = {}, token?: string): Promise<Answer> => {
  const { body } = await drover.rest(tool, args, token);
  if (!body.success) throw new Error(`${tool}: ${JSON.stringify(body.error)}`);
  return body.data;
};
const refused = async (tool: string, args: object, token?: string) => {
  const { status, body } = await drover.rest(tool, args, token);
  return [status, body.error?.code];
};
const opens = async (token: string) => (await drover.rest('system_list_nodes', {}, token)).status;

beforeAll(async () => {
  drover = await startTestPlatform({ DROVER_EVENT_STORE: 'memory', DROVER_TRUSTED_PROXIES: '127.0.0.0/8' });
  tools = drover.platform.app.get(ToolRegistry).list(new Set(['*']));
  await makeExamplesWorld(drover);
  // It would go on knocking at a door that is not there, and its answers with it.
  await ok('system_delete_webhook', { webhook_id: 'chat' });
  other = (await ok('system_create_account', { name: 'other' }))['token'].secret;
});
afterAll(() => drover.stop());

describe('a token', () => {
  it('is shown once: not on a repeat of the call, not in the log, not in a list', async () => {
    const call = { name: 'once', role: 'viewer', idempotency_key: 'once' };
    const first = await ok('system_create_operator', call);
    const { id, secret } = first['token'];
    expect(await opens(secret)).toBe(200);
    const again = await ok('system_create_operator', call);
    expect(again['token']).toMatchObject({ id, secret: null });
    expect(again['warnings']).toHaveLength(1);
    const { events } = await drover.platform.foundation.store.readAll(0n as never, { limit: 9_999 });
    const kept = JSON.stringify([events.map((e) => [e.data, e.meta]), await ok('system_list_tokens', { limit: 200 })]);
    expect(kept).toContain(id);
    expect(kept).not.toContain(secret.slice(-43));
  });

  it('is replaced by a rotation at one stroke, with the same scopes', async () => {
    const { token } = await ok('system_create_operator', { name: 'turning', permissions: ['system.nodes.read'] });
    const rotated = await ok('system_rotate_token', { token_id: token.id });
    expect([await opens(token.secret), await opens(rotated['token'].secret)]).toEqual([401, 200]);
    expect(rotated['token'].scopes).toEqual(['system.nodes.read']);
    expect(await refused('system_rotate_token', { token_id: token.id })).toEqual([409, 'token_revoked']);
  });

  it('that is revoked is cut from the stream that it opened', async () => {
    const { token } = await ok('system_issue_token', { operator: 'admin', permissions: ['system.events.read'] });
    const headers = { authorization: `Bearer ${token.secret}` };
    const stream = await fetch(`${drover.url}/events`, { headers });
    expect(stream.status).toBe(200);
    const ended = stream.text();
    await ok('system_revoke_token', { token_id: token.id });
    // Well before the watch would look of itself.
    expect(await Promise.race([ended, sleep(20_000, 'still open', { ref: false })])).toMatch(/revoked/);
    expect((await fetch(`${drover.url}/events`, { headers })).status).toBe(401);
  });

  it('is told nothing more by a call that waits when it is revoked, or its operator disabled, over REST and MCP', async () => {
    const { body } = await drover.rest('system_provision_instance', { node_id: 'spare' });
    const operation_id = (body.data['operation'] as { id: string }).id;
    const args = { operation_id, wait_seconds: 300 };
    const { token } = await ok('system_create_operator', { name: 'waiting', role: 'viewer' });
    const overRest = drover.rest('get_operation', args, token.secret);
    const client = await connectMcp(drover.url, token.secret);
    let begun = () => undefined as void;
    const waits = new Promise<void>((resolve) => (begun = resolve));
    const options = { timeout: 300_000, onprogress: () => begun() };
    const overMcp = client.callTool({ name: 'get_operation', arguments: args }, options);
    await waits;
    await ok('system_disable_operator', { operator: 'waiting', reason: 'stolen' });
    // Long before what they waited for, and with nothing of it.
    expect([(await overRest).status, (await overRest).body.error?.code]).toEqual([401, 'invalid_token']);
    expect((await overMcp).structuredContent).toMatchObject({ error: { code: 'invalid_token' } });
    await expect(client.callTool({ name: 'recent_events', arguments: {} })).rejects.toThrow();
  }, 120_000);

  it('opens nothing while its operator is disabled, and again when it is not', async () => {
    const { token } = await ok('system_create_operator', { name: 'pausing', role: 'operator' });
    await ok('system_disable_operator', { operator: 'pausing', reason: 'holiday' });
    expect(await opens(token.secret)).toBe(401);
    const shown = (await ok('system_list_operators'))['operators'].find((o: Answer) => o['name'] === 'pausing');
    expect(shown).toMatchObject({ status: 'disabled', disabled_reason: 'holiday', active_tokens: 0 });
    await ok('system_enable_operator', { operator: 'pausing' });
    expect(await opens(token.secret)).toBe(200);
  });

  it('asks for a role or for permissions that exist', async () => {
    expect(await refused('system_issue_token', { operator: 'admin' })).toEqual([400, 'invalid_parameter']);
    const { body } = await drover.rest('system_issue_token', { operator: 'admin', permissions: ['system.node.read'] });
    expect(body.error).toMatchObject({ code: 'unknown_permission', hint: 'did you mean system.nodes.read?' });
    expect(await refused('system_issue_token', { operator: 'admn', role: 'viewer' })).toEqual([
      404,
      'operator_not_found',
    ]);
  });
});

describe('nobody', () => {
  let limited: string;
  beforeAll(async () => {
    limited = await makeToken(drover, ['system.operators.*', 'system.nodes.read']);
  });

  it('lends a power that they do not have, nor takes the token of who has more', async () => {
    const beyond = [403, 'beyond_own_permissions'];
    expect(await refused('system_create_operator', { name: 'mighty', role: 'admin' }, limited)).toEqual(beyond);
    expect(await refused('system_issue_token', { operator: 'admin', permissions: ['*'] }, limited)).toEqual(beyond);
    const { token } = await ok('system_create_operator', { name: 'chief', role: 'admin' });
    expect(await refused('system_rotate_token', { token_id: token.id }, limited)).toEqual(beyond);
    expect(await refused('system_revoke_token', { token_id: token.id }, limited)).toEqual(beyond);
    expect(await refused('system_disable_operator', { operator: 'chief' }, limited)).toEqual(beyond);
    expect(await opens(token.secret)).toBe(200);
    const small = { name: 'small', permissions: ['system.nodes.read'] };
    expect(await opens((await ok('system_create_operator', small, limited))['token'].secret)).toBe(200);
    // The admin of an account is not the platform's.
    expect(await refused('system_create_operator', { name: 'up', role: 'system' }, token.secret)).toEqual(beyond);
  });

  it('disables themselves, and no guarded token touches operators', async () => {
    expect(await refused('system_disable_operator', { operator: 'admin' })).toEqual([409, 'cannot_disable_self']);
    const guarded = await makeToken(drover, ['*'], { guarded: true });
    for (const [tool, args] of [
      ['system_issue_token', { operator: 'admin', role: 'viewer' }],
      ['system_disable_operator', { operator: 'once' }],
      ['system_create_account', { name: 'robots' }],
    ] as const)
      expect(await refused(tool, args, guarded)).toEqual([403, 'human_needed']);
  });
});

describe('a plan', () => {
  it('of a token tells what would happen, and shows no token that looks as if it opened something', async () => {
    const planned = await ok('system_create_operator', { name: 'imagined', role: 'admin', dry_run: true });
    expect(planned['token'].secret).toBe('PLACEHOLDER');
    const kinds = planned['dry_run'].events.map((event: Answer) => event['kind']);
    expect(kinds).toEqual(['system.operator.created', 'system.operator.token_created']);
    const guess = { tool: 'system_issue_token', arguments: { operator: 'admin', role: 'viewer' } };
    expect(JSON.stringify(await ok('what_if', guess))).not.toMatch(/drv_/);
    expect(await refused('system_issue_token', { operator: 'imagined', role: 'viewer' })).toEqual([
      404,
      'operator_not_found',
    ]);
  });
});

describe('attempts', () => {
  it('with a token of the same id are limited, while its owner and others come and go', async () => {
    const { token } = await ok('system_create_operator', { name: 'guessed', role: 'viewer' });
    const nobody = await ok('system_create_operator', { name: 'neighbour', role: 'viewer' });
    const attempt = (from?: string) =>
      fetch(`${drover.url}/api/v1/tools/system_list_nodes`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token.secret.slice(0, -43)}${'x'.repeat(43)}`,
          ...(from === undefined ? {} : { 'x-forwarded-for': from }),
        },
      });
    for (let i = 0; i < 30; i++) expect((await attempt()).status).toBe(401);
    const answer = await attempt();
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    // The owner, whose first call this is, from the very address that somebody guesses from.
    expect([await opens(token.secret), await opens(nobody['token'].secret)]).toEqual([200, 200]);
    // Behind our proxy somebody else is somebody else, whatever they wrote before it themselves.
    expect((await attempt('198.51.100.7')).status).toBe(401);
    for (let i = 0; i < 30; i++) await attempt(`10.1.1.${i}, 198.51.100.8`);
    expect((await attempt('10.1.1.99, 198.51.100.8')).status).toBe(429);
  });
});

describe('attempts over gRPC', () => {
  it('are counted as well, by the same token id and address', async () => {
    const { token } = await ok('system_create_operator', { name: 'subscribed', role: 'viewer' });
    const caPem = drover.platform.foundation.access.ca.caPem();
    const subscribe = async (secret: string) => {
      const stream = connectGrpc({ address: drover.platform.enrollAddress, caPem, token: secret }, {});
      const { code, metadata } = (await stream.ended) as ServiceError;
      return { code, retryAfter: metadata.get('retry-after').map(Number) };
    };
    const wrong = `${token.secret.slice(0, -43)}${'x'.repeat(43)}`;
    for (let i = 0; i < 30; i++)
      expect(await subscribe(wrong)).toEqual({ code: status.UNAUTHENTICATED, retryAfter: [] });
    const late = await subscribe(wrong);
    expect(late.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(late.retryAfter[0]).toBeGreaterThan(0);
    expect(late.retryAfter[0]).toBeLessThanOrEqual(60);
    expect(await opens(wrong)).toBe(429);
    expect(await opens(drover.token)).toBe(200);
  });
});

const ID = /\b[a-z_]+-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;
const OF_THE_CALL = new Set(['position', 'next_cursor', 'cursor', 'forked_at', 'correlation_id']);
/** An answer as it is but for what belongs to the call. */
const settled = (value: unknown): string =>
  JSON.stringify(value, (key, inner: unknown) => (OF_THE_CALL.has(key) ? null : inner));

const examplesOf = (tool: ToolListing) =>
  tool.examples.length === 0 ? [{}] : tool.examples.map(({ arguments: args }) => args);

/** A proof is made of hashes of what else is in the log, so that it must differ; what it proves must not. */
const ownLines = ({ lines = [] }: Answer): unknown[] =>
  lines.filter((line: Answer) => 'specversion' in line).map((line: Answer) => ({ ...line, sequence: null }));

/** Everything that the account can read of itself. */
const allReads = async (token?: string): Promise<Map<string, string>> => {
  const answers = new Map<string, string>();
  for (const tool of tools.filter(({ danger, permission }) => danger === 'read' && permission.startsWith('system.'))) {
    for (const args of examplesOf(tool)) {
      const { status, body } = await drover.rest(tool.name, args, token);
      const shown: unknown = tool.name === 'export_audit' ? ownLines(body.data) : body;
      answers.set(`${tool.name} ${JSON.stringify(args)}`, `${status} ${settled(shown)}`);
    }
  }
  return answers;
};

describe('two accounts', () => {
  it('know nothing of each other’s things, by id or by name, whatever is asked of whatever tool', async () => {
    const mine = [...(await allReads()).values()].join('\n');
    const ids = new Map<string, string>();
    for (const [, id, name] of mine.matchAll(/"id":"([a-z_]+-[0-9a-f-]{36})","(?:name|hostname)":"([^"]+)"/g))
      ids.set(name!, id!);
    expect(ids.size).toBeGreaterThan(8);
    const before = await allReads();
    const told: unknown[] = [];
    const oracles: unknown[] = [];
    let asked = 0;
    for (const tool of tools.filter(({ permission }) => permission.startsWith('system.'))) {
      for (const args of examplesOf(tool)) {
        // What a thing shall be called is nobody's yet.
        const isNew = (key: string) => tool.name.includes('create') && (key === 'name' || key === 'hostname');
        const withIds = (of: (id: string) => string) =>
          JSON.parse(
            JSON.stringify(args, (key, v: unknown) =>
              ids.has(v as string) && !isNew(key) ? of(ids.get(v as string)!) : v,
            ),
          );
        const stolen = withIds((id) => id) as object;
        if (JSON.stringify(stolen) === JSON.stringify(args)) continue;
        asked++;
        const { status, body } = await drover.rest(tool.name, stolen, other);
        const sent = JSON.stringify(stolen);
        const leaked = (JSON.stringify(body).match(ID) ?? []).filter((id) => mine.includes(id) && !sent.includes(id));
        // A prediction answers with what the call itself would have been told.
        const isRefused = status >= 400 || body.data['outcome'] === 'refused';
        if (!isRefused || leaked.length > 0) told.push([tool.name, stolen, status, leaked, body.data]);
        // What belongs to others is answered as what never was.
        const invented = withIds((id) => `${id.slice(0, -4)}0000`) as object;
        const none = await drover.rest(tool.name, invented, other);
        const plain = (answer: unknown) => settled(answer).replaceAll(ID, 'ID');
        if (plain(body) !== plain(none.body)) oracles.push([tool.name, body.error, none.body.error]);
      }
    }
    expect(told).toEqual([]);
    expect(oracles).toEqual([]);
    expect(asked).toBeGreaterThan(40);
    expect(await allReads()).toEqual(before);
  }, 300_000);

  it('that differ only in the other’s history are answered alike, byte for byte, by every reading tool', async () => {
    const before = await allReads();
    expect([...before.values()].filter((answer) => answer.startsWith('200')).length).toBeGreaterThan(20);
    const theirs = { ...drover, rest: (name: string, args: unknown) => drover.rest(name, args, other) } as TestPlatform;
    await makeExamplesWorld(theirs);
    const { token } = await ok('system_create_operator', { name: 'maria', role: 'admin' }, other);
    await ok('system_revoke_token', { token_id: token.id }, other);
    await ok(
      'system_set_tool_policy',
      { tool: 'all:destroy', rule: 'require_approval', applies_to: 'everyone' },
      other,
    );
    await ok('system_delete_template', { template_id: 'unused' }, other);
    expect((await ok('list_approvals', {}, other))['approvals']).toHaveLength(1);
    const after = await allReads();
    for (const [call, answer] of before) expect([call, after.get(call)]).toEqual([call, answer]);
    // And they did make something: their own answers are not those of an empty account.
    expect((await ok('system_list_templates', {}, other))['templates'].length).toBeGreaterThan(3);
  }, 300_000);
});
