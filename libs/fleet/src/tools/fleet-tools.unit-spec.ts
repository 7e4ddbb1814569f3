import { createFleetRig, newCsr, type FleetRig } from '../testing/fleet-rig.js';

const OTHER_ACCOUNT = 'account-00000000-0000-4000-8000-00000000000b';

describe("fleet's tools, as the tutorial calls them", () => {
  let rig: FleetRig;
  let silent: Record<string, number>;
  beforeEach(async () => {
    silent = {};
    rig = await createFleetRig({ silentMs: (id) => silent[id] ?? 0 });
  });
  afterEach(() => rig.close());

  const machine = async (hostname: string, template: string) => {
    await rig.ok('system_create_node', { hostname, node_template_id: template });
    const { instance, join } = await rig.ok('platform.system_provision_instance', { node_id: hostname });
    return { id: instance.id, token: join.token };
  };
  const goOnline = async (id: string, token: string) => {
    const { certificateDer } = await rig.enroll(token, await newCsr());
    expect(certificateDer.length).toBeGreaterThan(100);
    await rig.liveness.onConnected({ hello, agent: { instanceId: id, accountId: '', certificateSerial: '' } });
    await rig.drain();
  };
  const hello = {
    bootId: 'b',
    agentVersion: '1',
    architecture: 'x64',
    hostname: 'h',
    memoryBytes: 8n,
    underlayAddresses: ['192.0.2.1'],
    capabilities: { wireguard: 'memory' },
  } as never;

  it('creates, provisions with a real join command, enrols and runs', async () => {
    await rig.ok('system_create_template', { name: 'k3s-server' });
    const { node } = await rig.ok('system_create_node', { name: 'k3s-server-1', template_id: 'k3s-server' });
    expect(node.conditions).toContainEqual(
      expect.objectContaining({ type: 'Ready', reason: 'WithoutMachine', message: 'it has no machine yet' }),
    );
    const { instance, join } = await rig.ok('system_provision_instance', { node_id: node.id });
    expect(instance).toMatchObject({ state: 'provisioning', name: 'k3s-server-1', driver: 'existing' });
    expect(instance.next_action).toContain('join command');
    expect(instance.deadline_at).toBe('2026-01-01T00:15:00.000Z');
    expect(join.command).toMatch(
      /^DROVER_JOIN_TOKEN=drvj_\S+ drover-agent run --enroll drover\.test:7444 --ca-pin sha256:[0-9a-f]{64} --state-dir \S+$/,
    );
    await goOnline(instance.id, join.token);
    const { instance: seen } = await rig.ok('system_get_instance', { instance_id: 'k3s-server-1' });
    expect(seen).toMatchObject({ state: 'running', status: 'running', memory_bytes: 8, architecture: 'x64' });
  });

  it('carries an assignment to every instance at once, and a change of template too', async () => {
    const { template } = await rig.ok('system_create_template', { name: 'servers' });
    await rig.ok('system_create_template', { name: 'workers' });
    const first = await machine('server-1', 'servers');
    const assigned = await rig.ok('system_assign_module_to_template', {
      template_id: template.id,
      module_name: 'k3s-server',
    });
    expect(assigned.template).toMatchObject({ node_count: 1, module_assignments: [{ module_name: 'k3s-server' }] });
    const second = await machine('server-2', 'servers');
    for (const { id } of [first, second]) {
      const events = (await rig.events(id)).filter((e) => e.type === 'system.k3s.module.assigned');
      expect(events).toMatchObject([
        { data: { assignment_id: assigned.assignment.id }, meta: { links: { instance: id } } },
      ]);
      expect(events[0]!.meta.links.node).toMatch(/^node-/);
    }
    await rig.ok('system_assign_module_to_template', {
      template_id: 'workers',
      module_id: 'k3s-agent',
      metadata: { target_cluster_id: 'c1' },
    });
    const { instance } = await rig.ok('system_update_instance', { id: first.id, template_id: 'workers' });
    expect(instance.modules.map((m) => [m.module_name, m.status])).toEqual([
      ['k3s-server', 'removed'],
      ['k3s-agent', 'assigned'],
    ]);
    await rig.drain();
    expect((await rig.ok('system_get_instance', { id: first.id })).instance.modules).toHaveLength(2);
    const again = await rig.ok('system_assign_module_to_template', {
      template_id: 'servers',
      module_name: 'k3s-server',
    });
    expect(again['outcome']).toBe('nothing');
  });

  it('keeps the endpoint of an external datastore out of events and answers', async () => {
    const { template } = await rig.ok('system_create_template', { name: 'servers' });
    const endpoint = 'postgres://k3s:hunter2@[fd00::5]:5432/k3s';
    const on = (config: object, module_name = 'k3s-server') => ({ template_id: 'servers', module_name, config });
    const assigned = await rig.ok('system_assign_module_to_template', on({ datastore_endpoint: endpoint, a: 1 }));
    const config = assigned.assignment['config'] as Record<string, unknown>;
    expect(Object.keys(config).toSorted()).toEqual(['a', 'datastore_endpoint_ref']);
    expect(await rig.secrets.get(String(config['datastore_endpoint_ref']))).toBe(endpoint);
    const again = await rig.ok('system_assign_module_to_template', on({ datastore_endpoint: endpoint, a: 1 }));
    expect(again['outcome']).toBe('nothing');
    const text = JSON.stringify([await rig.events(template.id), assigned, again], (_, v: unknown) =>
      typeof v === 'bigint' ? `${v}` : v,
    );
    expect(text).not.toContain('hunter2');
    for (const wrong of [
      on({ datastore_endpoint: 'hunter2' }),
      on({ datastore_endpoint: endpoint }, 'k3s-agent'),
      on({ datastore_endpoint_ref: 'x#y' }),
    ]) {
      const refused = await rig.refused('system_assign_module_to_template', wrong);
      expect(refused).toMatchObject({ status: 422, code: 'invalid_datastore_endpoint' });
      expect(JSON.stringify(refused)).not.toContain('hunter2');
    }
  });

  it('refuses with the nearest name, with candidates, and without telling of other accounts', async () => {
    await rig.ok('system_create_template', { name: 'servers' });
    await machine('server-1', 'servers');
    expect(await rig.refused('system_create_node', { hostname: 'x', node_template_id: 'server' })).toMatchObject({
      status: 404,
      code: 'template_not_found',
      field: 'node_template_id',
      hint: 'did you mean servers?',
    });
    expect(
      await rig.refused('system_create_node', { hostname: 'server-1', node_template_id: 'servers' }),
    ).toMatchObject({
      status: 409,
      code: 'name_taken',
      field: 'hostname',
    });
    expect(await rig.refused('system_create_node', { hostname: 'Not_DNS', node_template_id: 'servers' })).toMatchObject(
      {
        status: 400,
        field: 'hostname',
      },
    );
    expect(await rig.refused('system_provision_instance', { node_id: 'server-1' })).toMatchObject({
      code: 'instance_exists',
    });
    expect(await rig.refused('system_provision_instance', { node_id: 'server-1', driver: 'exiting' })).toMatchObject({
      code: 'unknown_driver',
      hint: 'did you mean existing?',
    });
    expect(await rig.refused('system_provision_instance', { node_id: 'server-1', cni_plugin: 'flanel' })).toMatchObject(
      {
        hint: 'did you mean flannel?',
      },
    );
    expect(await rig.refused('system_delete_template', { id: 'servers' })).toMatchObject({
      code: 'template_in_use',
      message: 'template servers is used by server-1',
    });
    expect(await rig.refused('system_delete_node', { id: 'server-1' })).toMatchObject({ code: 'node_has_instance' });
    expect(await rig.refused('system_get_node', { id: 'server-1' }, OTHER_ACCOUNT)).toMatchObject({ status: 404 });
    expect((await rig.ok('system_list_instances', {}, OTHER_ACCOUNT)).instances).toEqual([]);
  });

  it('drains, uncordons, terminates, provisions the next incarnation and deletes all in order', async () => {
    await rig.ok('system_create_template', { name: 'servers' });
    const first = await machine('server-1', 'servers');
    expect(await rig.refused('system_drain_instance', { id: 'server-1' })).toMatchObject({
      code: 'instance_not_running',
    });
    await goOnline(first.id, first.token);
    rig.services.drainAdvice.add(async (id) => (id === first.id ? ['outage_expected'] : []));
    expect(await rig.ok('system_drain_instance', { id: 'server-1' })).toMatchObject({
      instance: { state: 'draining' },
      warnings: ['outage_expected'],
    });
    expect((await rig.ok('system_uncordon_instance', { id: 'server-1' })).instance.state).toBe('running');
    expect((await rig.ok('system_terminate_instance', { id: first.id })).instance.state).toBe('terminated');
    const { instance } = await rig.ok('system_provision_instance', { node_id: 'server-1' });
    expect(instance.id).not.toBe(first.id);
    expect((await rig.ok('system_get_instance', { id: 'server-1' })).instance.id).toBe(instance.id);
    expect((await rig.ok('system_list_instances')).instances).toHaveLength(1);
    expect((await rig.ok('system_list_instances', { include_gone: true })).instances).toHaveLength(2);
    await rig.ok('system_forget_instance', { id: 'server-1' });
    await rig.ok('system_delete_node', { id: 'server-1' });
    await rig.ok('system_delete_template', { id: 'servers' });
    await rig.ok('system_create_template', { name: 'servers' });
  });

  it('shows silent instances with how long they have been silent', async () => {
    await rig.ok('system_create_template', { name: 'servers' });
    const { id, token } = await machine('server-1', 'servers');
    await goOnline(id, token);
    expect((await rig.ok('system_get_silent_instances')).instances).toEqual([]);
    silent[id] = 45_000;
    expect((await rig.ok('system_get_silent_instances')).instances).toMatchObject([{ id, silent_seconds: 45 }]);
    await rig.liveness.onLost({ instanceId: id, accountId: '', certificateSerial: '' }, Infinity);
    await rig.drain();
    const { instance } = await rig.ok('system_get_instance', { id });
    expect(instance).toMatchObject({ state: 'lost', deadline_at: '2026-01-01T00:15:00.000Z' });
  });

  it('does a call once under its idempotency key', async () => {
    const args = { name: 'servers', idempotency_key: 'k' };
    const first = await rig.ok('system_create_template', args);
    const second = await rig.ok('system_create_template', args);
    expect(second.template.id).toBe(first.template.id);
    await rig.ok('system_create_node', { hostname: 'n', node_template_id: 'servers', idempotency_key: 'n' });
    const one = await rig.ok('system_provision_instance', { node_id: 'n', idempotency_key: 'p' });
    const two = await rig.ok('system_provision_instance', { node_id: 'n', idempotency_key: 'p' });
    expect(two.instance.id).toBe(one.instance.id);
  });

  it('pages through lists', async () => {
    for (const name of ['a', 'b', 'c']) await rig.ok('system_create_template', { name });
    const first = await rig.ok('system_list_templates', { limit: 2 });
    expect(first['templates']).toMatchObject([{ name: 'a' }, { name: 'b' }]);
    const rest = await rig.ok('system_list_templates', { limit: 2, cursor: first['next_cursor'] });
    expect(rest).toMatchObject({ templates: [{ name: 'c' }], next_cursor: null });
  });
});
