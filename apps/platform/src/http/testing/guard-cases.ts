import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { systemClock } from '#kernel';
import { argumentsDigest, ToolRegistry } from '#tools';
import { readInput } from '../../../../../libs/tools/src/tool-input.js';
import { inputSchema } from '../../../../../libs/tools/src/tool-schema.js';
import type { TestPlatform } from '../../testing/test-platform.js';
import { makeToken } from './tokens.js';

type Answer = Readonly<Record<string, never>>;

/** What AI operators may do with a guarded token, and what needs a human. */
export const guardCases = (platform: () => TestPlatform): void => {
  let guarded: string;
  beforeAll(async () => {
    guarded = await makeToken(platform(), ['*'], { guarded: true });
  });

  const rest = (tool: string, args: object, token?: string) => platform().rest(tool, args, token);
  const ok = async (tool: string, args: object, token?: string): Promise<Answer> => {
    const { body } = await rest(tool, args, token);
    if (!body.success) throw new Error(`${tool}: ${JSON.stringify(body.error)}`);
    return body.data as Answer;
  };
  const planOf = async (tool: string, args: object): Promise<string> =>
    ((await ok(tool, { ...args, dry_run: true }, guarded)) as unknown as { dry_run: { plan_id: string } }).dry_run
      .plan_id;

  /** An assistant whose human types this when asked, and what it was asked. */
  const assistant = async (typed: string | undefined, path = '/mcp') => {
    const asked: string[] = [];
    const capabilities = typed === undefined ? {} : { elicitation: { form: {} } };
    const client = new Client(
      { name: 'assistant', version: '1' },
      { capabilities, versionNegotiation: { mode: 'auto' } },
    );
    if (typed !== undefined) {
      client.setRequestHandler('elicitation/create', ({ params }) => {
        asked.push(params.message);
        return typed === '' ? { action: 'decline' as const } : { action: 'accept' as const, content: { name: typed } };
      });
    }
    const requestInit = { headers: { authorization: `Bearer ${guarded}` } };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${platform().url}${path}`), { requestInit }));
    const tools = async () => (await client.listTools()).tools;
    const call = async (name: string, args: Record<string, unknown>) => {
      const { structuredContent, isError } = await client.callTool({ name, arguments: args });
      return {
        isError: isError === true,
        data: structuredContent as Answer & { error?: { code: string; hint: string } },
      };
    };
    return { call, tools, asked, close: () => client.close() };
  };

  it('reads and makes things as any token, and plans what disrupts', async () => {
    await ok('system_create_template', { name: 'guarded' }, guarded);
    await ok('system_create_node', { hostname: 'guarded-1', node_template_id: 'guarded' }, guarded);
    const args = { network_id: 'k3s-prod-net', routing_mode: 'mesh' };
    const bare = await rest('system_sdwan_update_network', args, guarded);
    expect([bare.status, bare.body.error.code]).toEqual([422, 'plan_required']);
    const plan_id = await planOf('system_sdwan_update_network', args);
    const other = await rest('system_sdwan_update_network', { ...args, routing_mode: 'hub', plan_id }, guarded);
    expect(other.body.error.code).toBe('plan_of_another_call');
    // An ordinary token of the same operator needs none, and another tool's plan is worth nothing.
    expect((await rest('system_sdwan_update_network', { ...args, plan_id }, guarded)).status).toBe(200);
    await ok('system_sdwan_update_network', { ...args, routing_mode: null });
  });

  it('destroys only what a human named', async () => {
    await ok('system_create_template', { name: 'doomed' });
    const args = { template_id: 'doomed' };
    const plan_id = await planOf('system_delete_template', args);
    const alone = await rest('system_delete_template', { ...args, plan_id }, guarded);
    expect([alone.status, alone.body.error.code]).toEqual([403, 'human_needed']);
    expect(alone.body.error.hint).toContain('drover template delete template_id=doomed');
    const mute = await assistant(undefined);
    expect((await mute.call('system_delete_template', { ...args, plan_id })).data.error?.hint).toContain(
      'drover template delete',
    );
    const wrong = await assistant('another');
    expect((await wrong.call('system_delete_template', { ...args, plan_id })).data.error?.code).toBe('name_mismatch');
    const no = await assistant('');
    expect((await no.call('system_delete_template', { ...args, plan_id })).data.error?.code).toBe('declined');
    await ok('system_get_template', args);
    const yes = await assistant('doomed');
    const done = await yes.call('system_delete_template', { ...args, plan_id });
    expect([done.isError, done.data['deleted']]).toEqual([false, true]);
    expect(yes.asked).toEqual([expect.stringContaining('Type doomed to go on')]);
    for (const one of [mute, wrong, no, yes]) await one.close();
  });

  it('refuses every destroying tool that there is to a client that can ask nobody, with the command for a human', async () => {
    const { app, foundation } = platform().platform;
    const registry = app.get(ToolRegistry);
    const { accountId, operatorId } = (await foundation.access.operators.authenticate(guarded))!;
    const mute = await assistant(undefined, '/mcp/all');
    const destroying = (await mute.tools()).filter(({ annotations }) => annotations?.destructiveHint === true);
    const told: unknown[] = [];
    for (const { name } of destroying) {
      const tool = registry.definition(name)!;
      const args = tool.examples?.[0]?.arguments ?? {};
      const { input } = readInput(tool, inputSchema(tool), args);
      // As a dry run would have issued it, whatever the world is like for this tool.
      const about = { accountId, operatorId, tool: name, argumentsDigest: argumentsDigest(input) };
      const { planId: plan_id } = foundation.plans.issue(about, systemClock.wallMs());
      const { data } = await mute.call(name, { ...args, plan_id });
      const command = `drover ${(tool.cli ?? ['tool', name]).join(' ')}`;
      const isRight = data.error?.code === 'human_needed' && data.error.hint.includes(command);
      if (!isRight) told.push([name, command, data]);
    }
    await mute.close();
    expect(told).toEqual([]);
    const all = registry.list(new Set(['*'])).filter(({ danger }) => danger === 'destroy');
    expect(destroying.map(({ name }) => name).sort()).toEqual(all.map(({ name }) => name).sort());
  });

  it('waits for an approval where a policy says so, and only a human gives it', async () => {
    const set = { tool: 'all:destroy', rule: 'require_approval' };
    expect((await rest('system_set_tool_policy', set, guarded)).body.error.code).toBe('human_needed');
    expect((await rest('system_set_tool_policy', { ...set, tool: 'all:destro' })).body.error.hint).toBe(
      'did you mean all:destroy?',
    );
    await ok('system_set_tool_policy', set);
    await ok('system_create_template', { name: 'waiting' });
    const args = { template_id: 'waiting' };
    const plan_id = await planOf('system_delete_template', args);
    const asked = await ok('system_delete_template', { ...args, plan_id, idempotency_key: 'once' }, guarded);
    expect(asked).toMatchObject({
      outcome: 'pending',
      pending: true,
      approval_id: expect.stringMatching(/^approval-/),
    });
    expect(await ok('system_delete_template', { ...args, plan_id, idempotency_key: 'once' }, guarded)).toEqual(asked);
    const about = { approval_id: asked['approval_id'] };
    const waiting = await ok('list_approvals', { status: 'pending' }, guarded);
    expect(waiting['approvals']).toEqual([
      expect.objectContaining({ id: about.approval_id, tool: 'system_delete_template' }),
    ]);
    await ok('system_get_template', args);
    expect((await rest('approve_operation', about, guarded)).body.error.code).toBe('human_needed');
    const approved = await ok('approve_operation', { ...about, comment: 'go' });
    expect(approved['approval']).toMatchObject({ status: 'completed', outcome: 'done', comment: 'go' });
    expect((await rest('system_get_template', args)).status).toBe(404);
    expect((await rest('reject_operation', about)).body.error.code).toBe('already_decided');
    await ok('system_set_tool_policy', { ...set, rule: 'allow' });
  });

  it('tells of calls where a policy says notify, and leaves a rejected one undone', async () => {
    await ok('system_set_tool_policy', { tool: 'system_create_template', rule: 'notify', applies_to: 'everyone' });
    await ok('system_create_template', { name: 'told' });
    const { events } = (await ok('recent_events', { kind_prefix: 'system.approval.notified' })) as unknown as {
      events: { payload: object }[];
    };
    expect(events.at(-1)?.payload).toMatchObject({
      tool: 'system_create_template',
      outcome: 'ok',
      arguments: { name: 'told' },
    });
    await ok('system_set_tool_policy', { tool: 'system_create_template', rule: 'require_approval' });
    const asked = await ok('system_create_template', { name: 'never' }, guarded);
    await ok('reject_operation', { approval_id: asked['approval_id'], comment: 'no' });
    expect((await rest('system_get_template', { template_id: 'never' })).status).toBe(404);
    await ok('system_set_tool_policy', { tool: 'system_create_template', rule: 'allow' });
  });
};
