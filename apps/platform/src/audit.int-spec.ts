import { createPublicKey, verify } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deterministicId, systemClock, systemIds, systemRandom } from '#kernel';
import { mintOperatorToken, operatorDecider } from '#access';
import { checkProof } from '../../../libs/audit/src/offline.js';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

let drover: TestPlatform;
let other: string;
const call = async (name: string, args: object = {}, token?: string): Promise<Record<string, unknown>> => {
  const { body } = await drover.rest(name, args, token);
  if (!body.success) throw new Error(JSON.stringify(body.error));
  return body.data;
};
const idsOf = async (token?: string): Promise<string[]> =>
  ((await call('recent_events', {}, token)).events as { id: string }[]).map(({ id }) => id);

beforeAll(async () => {
  drover = await startTestPlatform();
  const accountId = deterministicId('account', 'other');
  const operatorId = deterministicId('operator', 'other');
  const minted = mintOperatorToken(operatorId, systemRandom);
  other = minted.token;
  const token = { token_id: minted.tokenId, token_digest: minted.digest, permissions: ['system.*'], expires_at: null };
  const command = { type: 'create_operator', operatorId, accountId, name: 'other', token } as const;
  const commandId = systemIds.uuid();
  await drover.platform.foundation.transactor.transact(operatorId, operatorDecider, command, {
    ...{ commandId, correlationId: 'test', causationId: 'test', accountId, nowMs: systemClock.wallMs() },
    actor: { kind: 'system', id: 'test' },
  });
  await drover.rest('system_create_template', { name: 'ours' });
  await drover.rest('system_create_template', { name: 'theirs' }, other);
});
afterAll(() => drover.stop());

it('seals on demand, in the database and in the file of the data directory, and verifies', async () => {
  const sealed = await call('seal_audit');
  const report = await call('verify_audit');
  expect(report).toMatchObject({
    intact: true,
    complete: true,
    problems: [],
    seals: { count: sealed.seals, sealed_through: sealed.sealed_through, key_id: sealed.key_id },
  });
  const lines = (await readFile(join(drover.dataDir, 'audit', 'seals.jsonl'), 'utf8')).trim().split('\n');
  expect(lines.length).toBe((sealed.seals as number) + 1);
  expect(await call('seal_audit')).toEqual(sealed);
});

it('proves an account its own events, to anyone, and tells nothing of other accounts’', async () => {
  await call('seal_audit');
  const [mine] = await idsOf();
  const [theirs] = (await idsOf(other)).slice(-1);
  const { proof } = await call('prove_event', { event_id: theirs }, other);
  const { keys } = await call('list_audit_keys');
  const [{ id }] = keys as [{ id: string }];
  expect(checkProof(proof, [id])).toMatchObject({ valid: true, eventId: theirs });
  expect(JSON.stringify(proof)).not.toContain('ours');
  const denied = await drover.rest('prove_event', { event_id: mine }, other);
  expect([denied.status, denied.body.error.code]).toEqual([404, 'unknown_event']);
  expect(checkProof((await call('prove_event', { event_id: theirs })).proof)).toMatchObject({ valid: true });
});

it('says that an event has no seal yet', async () => {
  await drover.rest('system_create_template', { name: 'unsealed' });
  const [id] = (await idsOf()).slice(-1);
  const { status, body } = await drover.rest('prove_event', { event_id: id });
  expect([status, body.error.code]).toEqual([422, 'not_sealed_yet']);
});

it('gives what spans accounts to the platform scope only', async () => {
  for (const name of ['verify_audit', 'list_audit_keys', 'rotate_audit_key', 'seal_audit']) {
    expect([name, (await drover.rest(name, {}, other)).status]).toEqual([name, 403]);
  }
  const { status, body } = await drover.rest('export_audit', { scope: 'all' }, other);
  expect([status, body.error.field]).toEqual([403, 'scope']);
});

it('rotates the key once under one idempotency key, signed by the old one, and writes down who did it', async () => {
  const first = await call('rotate_audit_key', { idempotency_key: 'rotate' });
  expect(await call('rotate_audit_key', { idempotency_key: 'rotate' })).toEqual(first);
  const { keys } = (await call('list_audit_keys')) as unknown as {
    keys: { id: string; public_key_pem: string; current: boolean; previous_key_id: string | null }[];
  };
  expect(keys.map(({ current }) => current)).toEqual([false, true]);
  expect(keys[1]!.previous_key_id).toBe(keys[0]!.id);
  const { events } = await call('recent_events', { kind_prefix: 'system.audit' });
  expect((events as { payload: object }[]).map(({ payload }) => payload)).toEqual([
    { key_id: keys[1]!.id, previous_key_id: keys[0]!.id, sequence: 2 },
  ]);
  const sealed = await call('seal_audit');
  expect(sealed.key_id).toBe(keys[1]!.id);
  expect(await call('verify_audit')).toMatchObject({
    intact: true,
    seals: { key_ids: keys.map(({ id }) => id) },
  });
  // With nothing of ours: the public key as OpenSSL reads it, and the signed text as the runbook gives it.
  const line = (await readFile(join(drover.dataDir, 'audit', 'seals.jsonl'), 'utf8')).trim().split('\n').at(-1)!;
  const { signature, ...body } = JSON.parse(line) as Record<string, unknown>;
  const message = Buffer.from(`drover audit seal\n${JSON.stringify(body)}`);
  const key = createPublicKey(keys[1]!.public_key_pem);
  expect(verify(null, message, key, Buffer.from(signature as string, 'base64'))).toBe(true);
});

it('says when the log is not sealed, and why', async () => {
  const { postgres } = drover.platform.foundation.opened;
  const client = await postgres!.pool.connect();
  const swap = (from: string, to: string) =>
    client.query(`SET session_replication_role = replica;
      UPDATE es.events SET envelope = replace(envelope, '"name":"${from}"', '"name":"${to}"')
       WHERE type = 'system.template.created' AND envelope LIKE '%"name":"${from}"%'; SET session_replication_role = origin`);
  await drover.rest('system_create_template', { name: 'late-1' });
  await swap('late-1', 'late-2');
  const report = await call('verify_audit');
  expect(report).toMatchObject({
    intact: false,
    first_problem: { reason: expect.stringMatching(/column|content hash/) },
  });
  // The sealer finds it too.
  const refused = await drover.rest('seal_audit', {});
  expect([refused.status, refused.body.error.code]).toEqual([503, 'not_sealed']);
  expect((await call('platform_health')).problems).toEqual([expect.stringMatching(/the log is not sealed: event \d+/)]);
  await swap('late-2', 'late-1');
  client.release();
  await call('seal_audit');
  expect(await call('verify_audit')).toMatchObject({ intact: true });
  expect((await call('platform_health')).problems).toEqual([]);
});
