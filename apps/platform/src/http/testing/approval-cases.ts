import type { TestPlatform } from '../../testing/test-platform.js';

type Answer = Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any

/** Who may let a call happen, and with whose powers it happens. */
export const approvalCases = (platform: () => TestPlatform): void => {
  const rest = (tool: string, args: object, token?: string) => platform().rest(tool, args, token);
  const ok = async (tool: string, args: object, token?: string): Promise<Answer> => {
    const { body } = await rest(tool, args, token);
    if (!body.success) throw new Error(`${tool}: ${JSON.stringify(body.error)}`);
    return body.data;
  };
  const tool = 'system_create_template';
  const operator = async (name: string, may: 'operator' | readonly string[]) => {
    const scopes = may === 'operator' ? { role: may } : { permissions: may };
    const { token } = await ok('system_create_operator', { name, ...scopes });
    return { id: token.id as string, secret: token.secret as string };
  };
  const waiting = async (name: string, secret: string, key = `ask-${name}`): Promise<string> =>
    (await ok(tool, { name, idempotency_key: key }, secret))['approval_id'] as string;
  const isThere = async (name: string) => (await rest('system_get_template', { template_id: name })).status === 200;

  beforeAll(() => ok('system_set_tool_policy', { tool, rule: 'require_approval', applies_to: 'everyone' }));
  afterAll(() => ok('system_set_tool_policy', { tool, rule: 'allow', applies_to: 'everyone' }));

  it('happens with the powers that the requester has when it is approved', async () => {
    const asker = await operator('asker', 'operator');
    const steady = await waiting('steady', asker.secret);
    const revoked = await waiting('revoked', asker.secret);
    expect((await ok('approve_operation', { approval_id: steady }))['approval']).toMatchObject({ outcome: 'done' });
    await ok('system_issue_token', { operator: 'asker', role: 'operator' });
    await ok('system_revoke_token', { token_id: asker.id });
    const { approval } = await ok('approve_operation', { approval_id: revoked });
    expect(approval).toMatchObject({ status: 'completed', outcome: 'refused', error: { code: 'requester_revoked' } });
    expect([await isThere('steady'), await isThere('revoked')]).toEqual([true, false]);
  });

  it('does not happen for an operator who is disabled meanwhile', async () => {
    const asker = await operator('leaver', 'operator');
    const approval_id = await waiting('left-behind', asker.secret);
    await ok('system_disable_operator', { operator: 'leaver' });
    const { approval } = await ok('approve_operation', { approval_id });
    expect(approval).toMatchObject({ outcome: 'refused', error: { code: 'requester_disabled' } });
    expect(await isThere('left-behind')).toBe(false);
  });

  it('is approved by who may make the call, and by nobody who asked for it', async () => {
    const asker = await operator('wisher', ['system.templates.write', 'system.approvals.decide']);
    const clerk = await operator('clerk', ['system.approvals.decide', 'system.approvals.read']);
    const peer = await operator('peer', 'operator');
    const approval_id = await waiting('wished', asker.secret);
    const refused = async (secret: string) => (await rest('approve_operation', { approval_id }, secret)).body.error;
    expect(await refused(asker.secret)).toMatchObject({ code: 'own_request' });
    expect(await refused(clerk.secret)).toMatchObject({
      code: 'permission_denied',
      hint: expect.stringContaining('system.templates.write'),
    });
    expect((await ok('get_approval', { approval_id }))['approval'].status).toBe('pending');
    expect((await ok('approve_operation', { approval_id }, peer.secret))['approval'].outcome).toBe('done');
    // Saying no needs no power over the thing.
    const other = await waiting('unwished', asker.secret);
    expect((await ok('reject_operation', { approval_id: other }, clerk.secret))['approval'].status).toBe('rejected');
  });

  it('tells its answer, with the secret in it, to who asked and to nobody else, once', async () => {
    const grants = { tool: 'system_sdwan_create_access_grant', applies_to: 'everyone' };
    await ok('system_sdwan_create_network', { name: 'approved-net' });
    await ok('system_set_tool_policy', { ...grants, rule: 'require_approval' });
    const asker = await operator('guest', 'operator');
    const other = await operator('onlooker', 'operator');
    const asked = await ok(grants.tool, { network_id: 'approved-net', name: 'guest-laptop' }, asker.secret);
    const approval_id = asked['approval_id'] as string;
    expect(asked['warnings'].join()).toContain(`drover approval take ${approval_id}`);
    const approved = await ok('approve_operation', { approval_id });
    expect(approved['approval']).toMatchObject({ outcome: 'done', answer: { status: 'ready', taken_at: null } });
    const take = (secret?: string) => rest('take_approved_answer', { approval_id }, secret);
    for (const secret of [undefined, other.secret])
      expect((await take(secret)).body.error).toMatchObject({ code: 'not_your_call' });
    const { tool, answer } = (await take(asker.secret)).body.data as Answer;
    expect([tool, answer.grant.name]).toEqual([grants.tool, 'guest-laptop']);
    expect(answer.bootstrap_url).toContain(answer.token);
    expect((await take(asker.secret)).body.error).toMatchObject({ code: 'answer_taken' });
    const { events } = await ok('recent_events', { kind_prefix: 'system', limit: 500 });
    expect(events.map(({ kind }: { kind: string }) => kind)).toContain('system.approval.answer_taken');
    expect(JSON.stringify(events)).not.toContain(answer.token);
    await ok('system_set_tool_policy', { ...grants, rule: 'allow' });
  });

  it('is one call, whatever idempotency key somebody else makes of its id', async () => {
    const asker = await operator('first', 'operator');
    const approval_id = await waiting('mine', asker.secret);
    // Another call under the approval's id as its key, with other arguments, before the approved one is made.
    await ok('system_set_tool_policy', { tool, rule: 'allow', applies_to: 'everyone' });
    await ok(tool, { name: 'squatter', idempotency_key: approval_id });
    const { approval } = await ok('approve_operation', { approval_id });
    expect(approval).toMatchObject({ outcome: 'done', error: null });
    expect([await isThere('squatter'), await isThere('mine')]).toEqual([true, true]);
    // Nor does the key find the approved call's answer again.
    const again = await rest(tool, { name: 'mine', idempotency_key: `${approval_id}x` });
    expect(again.body.error.code).toBe('name_taken');
    await ok('system_set_tool_policy', { tool, rule: 'require_approval', applies_to: 'everyone' });
  });
};
