import type { TestPlatform } from '../../testing/test-platform.js';
import { droverClient, type DroverClient } from './generated-client/client.js';

/** The platform through a client that was generated from its OpenAPI document; what it must not compile is in refused-by-the-compiler.ts. */
export const generatedClientCases = (platform: () => TestPlatform): void => {
  let drover: DroverClient;
  beforeAll(() => {
    drover = droverClient(platform().url, platform().token);
  });

  it('makes a template once under a key, finds it in the list, and removes it', async () => {
    const made = { body: { name: 'generated' }, params: { header: { 'Idempotency-Key': 'generated' } } } as const;
    const { data, response } = await drover.POST('/api/v1/templates', made);
    expect(response.status).toBe(200);
    const id = data!.data.template!.id;
    expect((await drover.POST('/api/v1/templates', made)).data!.data).toEqual(data!.data);
    const names: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const query = { limit: 2, ...(cursor === undefined ? {} : { cursor }) };
      const { data: page } = await drover.GET('/api/v1/templates', { params: { query } });
      names.push(...page!.data.templates.map((template) => template.name));
      cursor = page!.data.next_cursor ?? null;
    }
    expect(names.filter((name) => name === 'generated')).toHaveLength(1);
    const path = { template_id: id };
    const planned = await drover.DELETE('/api/v1/templates/{template_id}', {
      params: { path, query: { dry_run: true } },
    });
    expect(planned.data!.data.outcome).toBe('planned');
    expect((await drover.DELETE('/api/v1/templates/{template_id}', { params: { path } })).data!.data.outcome).toBe(
      'done',
    );
  });

  it('is told that nothing changed by an ETag', async () => {
    const params = { path: { network_id: 'k3s-prod-net' } };
    const first = await drover.GET('/api/v1/networks/{network_id}', { params });
    expect(first.data!.data.network.cidr_64).toMatch(/::\/64$/);
    const etag = first.response.headers.get('etag')!;
    const again = await drover.GET('/api/v1/networks/{network_id}', {
      params: { ...params, header: { 'If-None-Match': etag } },
    });
    expect([again.response.status, again.data]).toEqual([304, undefined]);
  });

  it('is refused in the envelope, and with problem details when it asks for them', async () => {
    const params = { path: { template_id: 'k3s-serve' } };
    const plain = await drover.GET('/api/v1/templates/{template_id}', { params });
    expect(plain.response.status).toBe(404);
    if (!('success' in plain.error!)) throw new Error('not the envelope');
    expect(plain.error.error).toMatchObject({ code: 'template_not_found', hint: 'did you mean k3s-server?' });
    const asking = droverClient(platform().url, platform().token, { accept: 'application/problem+json' });
    const { error: problem } = await asking.GET('/api/v1/templates/{template_id}', { params });
    if (!('detail' in problem!)) throw new Error('not a problem');
    expect(problem).toMatchObject({
      type: 'urn:drover:error:template_not_found',
      status: 404,
      code: 'template_not_found',
    });
    expect(problem.detail).toContain('k3s-serve');
  });

  it('follows what it began to its state', async () => {
    await drover.POST('/api/v1/nodes', { body: { hostname: 'generated-1', node_template_id: 'k3s-worker' } });
    const begun = await drover.POST('/api/v1/nodes/{node_id}/provision', {
      params: { path: { node_id: 'generated-1' } },
      body: {},
    });
    expect(begun.response.status).toBe(202);
    const { id, url } = begun.data!.data.operation!;
    expect(begun.response.headers.get('location')).toBe(url);
    const { data } = await drover.GET('/api/v1/operations/{operation_id}', { params: { path: { operation_id: id } } });
    expect(data!.data.operation).toMatchObject({ status: 'running', state: 'provisioning' });
    const { data: told } = await drover.POST('/api/v1/tools/recent_events', {
      body: { kind_prefix: 'system.instance.provision_requested', limit: 1 },
    });
    expect(told!.data.events.map(({ kind }) => kind)).toEqual(['system.instance.provision_requested']);
  });
};
