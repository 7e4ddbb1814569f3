import { deterministicId, systemRandom } from '#kernel';
import {
  ADMIN_OPERATOR_ID,
  createOperatorToken,
  mintOperatorToken,
  operatorDecider,
  revokeOperatorToken,
} from '#access';
import { systemContext } from './testing/system-context.js';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

let drover: TestPlatform;
beforeAll(async () => {
  drover = await startTestPlatform();
  await drover.rest('system_create_template', { name: 'secret-plans' });
});
afterAll(() => drover.stop());

const adminToken = async (permissions: string[], expiresAt: string | null = null) => {
  const { transactor } = drover.platform.foundation;
  const account = deterministicId('account', 'default');
  const input = { operatorId: ADMIN_OPERATOR_ID, permissions, expiresAt };
  return createOperatorToken({ transactor, random: systemRandom }, input, systemContext(account));
};

describe('a token with few permissions', () => {
  it('may read and not change, is told which permission is missing, and is shown no other tool', async () => {
    const { token } = await adminToken(['system.templates.read']);
    expect((await drover.rest('system_list_templates', {}, token)).status).toBe(200);
    const { status, body } = await drover.rest('system_create_template', { name: 'x' }, token);
    expect([status, body.error.code]).toEqual([403, 'permission_denied']);
    expect(body.error.message).toContain('system.templates.write');
    const client = await drover.mcp(token);
    const { tools } = await client.listTools();
    expect(tools.every((tool) => tool.annotations?.readOnlyHint === true)).toBe(true);
    expect(tools.map((tool) => tool.name)).not.toContain('verify_audit');
    await client.close();
  });

  it('reads the metrics of the platform with the permission for its health only', async () => {
    const scrape = async (token: string) => {
      const answer = await fetch(`${drover.url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
      return { status: answer.status, text: await answer.text() };
    };
    const refused = await scrape((await adminToken(['system.*'])).token);
    expect([refused.status, JSON.parse(refused.text).error.code]).toEqual([403, 'permission_denied']);
    expect(refused.text).toContain('platform.health.read');
    expect(await scrape((await adminToken(['platform.health.read'])).token)).toMatchObject({ status: 200 });
    expect(await scrape(drover.token)).toMatchObject({ status: 200 });
  });

  it('opens nothing once it has expired or was revoked', async () => {
    const expired = await adminToken(['*'], '2020-01-01T00:00:00.000Z');
    expect((await drover.rest('recent_events', {}, expired.token)).status).toBe(401);
    const { token, tokenId } = await adminToken(['*']);
    expect((await drover.rest('recent_events', {}, token)).status).toBe(200);
    const { transactor } = drover.platform.foundation;
    const account = deterministicId('account', 'default');
    await revokeOperatorToken(transactor, { operatorId: ADMIN_OPERATOR_ID, tokenId }, systemContext(account));
    expect((await drover.rest('recent_events', {}, token)).status).toBe(401);
  });
});

describe('another account', () => {
  const accountId = deterministicId('account', 'other');
  const operatorId = deterministicId('operator', 'other');
  let token: string;
  beforeAll(async () => {
    const minted = mintOperatorToken(operatorId, systemRandom);
    token = minted.token;
    const granted = {
      token_id: minted.tokenId,
      token_digest: minted.digest,
      permissions: ['system.*'],
      expires_at: null,
    };
    await drover.platform.foundation.transactor.transact(
      operatorId,
      operatorDecider,
      { type: 'create_operator', operatorId, accountId, name: 'other', token: granted },
      systemContext(accountId),
    );
  });

  it('sees none of the first one: no event, no template, no name', async () => {
    const events = (await drover.rest('recent_events', { limit: 500 }, token)).body.data.events as { kind: string }[];
    expect(events.map((event) => event.kind)).toEqual(['system.operator.created', 'system.operator.token_created']);
    expect((await drover.rest('system_list_templates', {}, token)).body.data.templates).toEqual([]);
    expect((await drover.rest('system_get_template', { id: 'secret-plans' }, token)).status).toBe(404);
  });

  it('may use the same names and the same idempotency keys', async () => {
    const args = { name: 'secret-plans', idempotency_key: 'same' };
    const theirs = (await drover.rest('system_create_template', args, token)).body;
    expect(theirs.data).toMatchObject({ outcome: 'done' });
    const ours = (await drover.rest('system_create_template', { ...args, name: 'ours' })).body;
    expect(ours.data).toMatchObject({ outcome: 'done' });
    expect(theirs.data.correlation_id).not.toBe(ours.data.correlation_id);
  });

  it('cannot use a cursor of the first one, and not look at what spans accounts', async () => {
    const { next_cursor } = (await drover.rest('recent_events', {})).body.data;
    const { status, body } = await drover.rest('recent_events', { after: next_cursor }, token);
    expect([status, body.error.code]).toEqual([400, 'invalid_cursor']);
    for (const name of ['verify_audit', 'list_agents', 'platform_health']) {
      expect([name, (await drover.rest(name, {}, token)).status]).toEqual([name, 403]);
    }
  });
});
