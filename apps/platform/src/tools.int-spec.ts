import type { ToolListing } from '#tools';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

let drover: TestPlatform;
let tools: ToolListing[];
beforeAll(async () => {
  drover = await startTestPlatform();
  const response = await fetch(`${drover.url}/api/v1/tools`, { headers: { authorization: `Bearer ${drover.token}` } });
  tools = ((await response.json()) as { data: { tools: ToolListing[] } }).data.tools;
});
afterAll(() => drover.stop());

/** Every call that tutorial 04 shows. */
const TUTORIAL = [
  'system_create_node',
  'system_provision_instance',
  'system_sdwan_attach_peer',
  'system_assign_module_to_template',
  'recent_events',
  'kubernetes_list_clusters',
  'kubernetes_get_kubeconfig',
  'system_sdwan_create_access_grant',
  'kubernetes_list_nodes',
  'system_drain_instance',
  'system_sdwan_get_virtual_ip',
  'kubernetes_decommission_cluster',
  'system_terminate_instance',
  'agent_introspect',
  'system_get_template',
];

it('has every tool of the tutorial', () => {
  expect(tools.map((tool) => tool.name)).toEqual(expect.arrayContaining(TUTORIAL));
});

it('describes each tool within what clients accept', () => {
  for (const tool of tools) {
    expect(tool.name).toMatch(/^[a-z][a-z0-9_]{2,63}$/);
    expect([tool.name, tool.summary.length <= 100, tool.description.length <= 600]).toEqual([tool.name, true, true]);
    expect(tool.input_schema).toMatchObject({ type: 'object', additionalProperties: false });
    expect(tool.permission).toMatch(/^(system|platform)\.[a-z_.]+$/);
  }
});

it('gives no two tools the same command', () => {
  const commands = tools.flatMap((tool) => (tool.cli === undefined ? [] : [tool.cli.join(' ')]));
  expect(commands.filter((command, i) => commands.indexOf(command) !== i)).toEqual([]);
});

/** Objects that an answer names at its top, alone or in a list, by the field that they are in. */
const thingsOf = (tool: ToolListing): readonly (readonly [string, Readonly<Record<string, unknown>>])[] => {
  type Schema = { readonly properties?: Record<string, Schema>; readonly items?: Schema };
  return Object.entries((tool.output_schema as Schema | undefined)?.properties ?? {}).flatMap(([field, schema]) => {
    const properties = (schema.items ?? schema).properties;
    return properties === undefined ? [] : [[field, properties] as const];
  });
};

/** Summaries of what other tools show in full. May only become fewer. */
const WITHOUT_CONDITIONS = new Set([
  'system_get_silent_instances: instances',
  'system_sdwan_get_routing_summary: virtual_ips',
]);

it('tells the conditions and the generations of every resource that somebody brings about', () => {
  const resources = tools.flatMap((tool) =>
    thingsOf(tool)
      // Where what goes on can be followed is no thing of its own.
      .filter(([, fields]) => Object.keys(fields).join() !== 'id,url,state')
      .filter(([, fields]) => 'id' in fields && ['status', 'state', 'enabled'].some((name) => name in fields))
      .map(([field, fields]) => ({ field, of: `${tool.name}: ${field}`, fields })),
  );
  const told = ['conditions', 'generation', 'observed_generation'];
  const without = resources.filter(
    ({ of, fields }) => !WITHOUT_CONDITIONS.has(of) && !told.every((name) => name in fields),
  );
  expect(without.map(({ of }) => of)).toEqual([]);
  for (const field of [
    'tokens',
    'webhook',
    'snapshots',
    'restores',
    'kubeconfigs',
    'operation',
    'approval',
    'operators',
  ])
    expect(resources.filter((one) => one.field === field)).not.toEqual([]);
  for (const field of ['hosts', 'grants', 'devices', 'firewall_rules', 'instances', 'clusters', 'peers'])
    expect(resources.filter((one) => one.field === field)).not.toEqual([]);
});

it('refuses an unknown parameter on every tool, before anything else', async () => {
  const before = (await drover.rest('verify_audit', {})).body.data.events;
  for (const { name } of tools) {
    const { status, body } = await drover.rest(name, { definitely_not_a_parameter: 1 });
    expect([name, status, body.error?.code]).toEqual([name, 400, 'unknown_parameter']);
  }
  expect((await drover.rest('verify_audit', {})).body.data.events).toBe(before);
});

it('shows examples that its own schema accepts', async () => {
  for (const tool of tools) {
    for (const example of tool.examples) {
      const { body } = await drover.rest(tool.name, { ...example.arguments, no_such: 1 });
      expect([tool.name, body.error.field]).toEqual([tool.name, 'no_such']);
    }
  }
});

describe('a changing call', () => {
  const count = async (prefix: string) =>
    ((await drover.rest('recent_events', { kind_prefix: prefix, limit: 500 })).body.data.events as unknown[]).length;

  it('happens once under one idempotency key, over REST and MCP alike', async () => {
    const args = { name: 'web', idempotency_key: 'make-web' };
    const { body } = await drover.rest('system_create_template', args);
    expect(body.data).toMatchObject({ outcome: 'done', correlation_id: expect.any(String) });
    const client = await drover.mcp();
    const again = await client.callTool({ name: 'system_create_template', arguments: args });
    expect(again.structuredContent).toEqual(body.data);
    expect(await count('system.template.created')).toBe(1);
    await client.close();
  });

  it('is refused under a key that was used for something else', async () => {
    const { status, body } = await drover.rest('system_create_template', { name: 'b', idempotency_key: 'make-web' });
    expect([status, body.error.code]).toEqual([409, 'idempotency_key_reused']);
    expect(await count('system.template.created')).toBe(1);
  });

  it('says under which name it took an alias', async () => {
    await drover.rest('system_create_template', { name: 'nodes' });
    const { body } = await drover.rest('platform.system_create_node', { name: 'n-1', template_id: 'nodes' });
    expect(body.data.normalised).toBeDefined();
  });

  it('is seen by the next read', async () => {
    await drover.rest('system_create_template', { name: 'fresh' });
    const { body } = await drover.rest('system_list_templates', {});
    expect((body.data.templates as { name: string }[]).map((t) => t.name)).toContain('fresh');
  });

  it('shows what its position is only to its own account', async () => {
    const { body } = await drover.rest('system_create_template', { name: 'positioned' });
    const since = await drover.rest('recent_events', { after: body.data.position });
    expect(since.body.data.events).toEqual([]);
  });
});

it('introspects the manager of the overlay, and names the nearest for a slip', async () => {
  const { body } = await drover.rest('agent_introspect', { agent_id: 'sdwan_manager_agent' });
  expect(body.data.agent).toMatchObject({ agent_id: 'sdwan_manager_agent', faults: [] });
  const slip = await drover.rest('agent_introspect', { agent_id: 'sdwan_manager_agnt' });
  expect([slip.status, slip.body.error.hint]).toEqual([404, 'did you mean sdwan_manager_agent?']);
});

it('says that it is well', async () => {
  const { body } = await drover.rest('platform_health', {});
  expect(body.data).toMatchObject({ status: 'ok', role: 'leading', problems: [] });
});
