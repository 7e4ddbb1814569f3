import { until } from '../../lab/src/processes.js';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

let drover: TestPlatform;
beforeAll(async () => {
  drover = await startTestPlatform();
  await ok('system_sdwan_create_network', { name: 'net' });
  await ok('system_sdwan_create_network', { name: 'elsewhere' });
});
afterAll(() => drover?.stop());

interface Issued {
  readonly grant: { readonly id: string; readonly status: string };
  readonly token: string;
}
interface Device {
  readonly id: string;
  readonly name: string;
  readonly address_v6: string;
  readonly status: string;
  readonly tags: readonly string[];
  readonly last_handshake_at: string | null;
}

const ok = async <T>(tool: string, args: object): Promise<T> => {
  const { status, body } = await drover.rest(tool, args);
  expect([tool, status, body.error]).toEqual([tool, 200, undefined]);
  return body.data as T;
};
const issue = (name: string, more: object = {}) =>
  ok<Issued>('system_sdwan_issue_user_device', { network_id: 'net', name, ...more });
const redeem = async (token: string, key: number, more: object = {}) => {
  const response = await fetch(`${drover.url}/api/v1/sdwan/bootstrap/${token}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ public_key: Buffer.alloc(32, key).toString('base64'), ...more }),
  });
  const { data, error } = (await response.json()) as {
    data: { peer_id: string; device_token: string; config_path: string };
    error?: { code: string; message: string; hint: string };
  };
  return { status: response.status, data, error };
};
const feed = async (device: { config_path: string; device_token: string }) =>
  (await fetch(`${drover.url}${device.config_path}`, { headers: { authorization: `Bearer ${device.device_token}` } }))
    .status;
const list = async (more: object = {}) =>
  (await ok<{ devices: Device[] }>('system_sdwan_list_user_devices', more)).devices;

it('lets one of many in that come with the same URL at once, and tells the others that it is gone', async () => {
  const { token } = await issue('laptop', { tags: ['ops'] });
  const all = await Promise.all([11, 12, 13, 14].map((key) => redeem(token, key)));
  expect(all.map(({ status }) => status).sort()).toEqual([200, 410, 410, 410]);
  for (const { error } of all.filter(({ status }) => status === 410)) {
    expect(error).toMatchObject({ code: 'bootstrap_token_gone', message: 'the bootstrap token was used already' });
    expect(error!.hint).toContain('system_sdwan_issue_user_device');
  }
  // The read model follows on its own.
  await until('the device is listed', async () => (await list({ network_id: 'net' })).length > 0);
  const [device, ...others] = await list({ network_id: 'net' });
  expect(others).toEqual([]);
  expect(device).toMatchObject({ name: 'laptop', tags: ['ops'], status: 'handshaking', last_handshake_at: null });
  expect(await list({ network_id: 'elsewhere' })).toEqual([]);
});

it('revokes by address, name or grant; the feed and an unused URL answer 410 from then on', async () => {
  const { token, grant } = await issue('phone');
  const { data } = await redeem(token, 21);
  expect(await feed(data)).toBe(200);
  const { address_v6 } = (await list()).find(({ name }) => name === 'phone')!;
  const { device } = await ok<{ device: Device }>('system_sdwan_revoke_user_device', { device_id: address_v6 });
  expect(device).toMatchObject({ name: 'phone', status: 'removed' });
  expect(await feed(data)).toBe(410);
  expect((await list()).map(({ name }) => name)).not.toContain('phone');
  expect((await list({ include_removed: true })).map(({ name }) => name)).toContain('phone');
  await ok('system_sdwan_revoke_user_device', { device_id: grant.id }); // once more changes nothing

  const unused = await issue('phone'); // the name is free again
  const revoked = await ok<{ device: null }>('system_sdwan_revoke_user_device', { name: 'phone' });
  expect(revoked.device).toBeNull();
  expect(await redeem(unused.token, 22)).toMatchObject({ status: 410, error: { message: 'the grant was revoked' } });
  const { status, body } = await drover.rest('system_sdwan_revoke_user_device', { device_id: 'lapto' });
  expect([status, body.error.code, body.error.hint]).toEqual([404, 'user_device_not_found', 'did you mean laptop?']);
});

it('cuts the feed of a device whose peer is detached by other means', async () => {
  const { token } = await issue('tablet');
  const { data } = await redeem(token, 31, { name: 'called-otherwise' });
  await ok('system_sdwan_detach_peer', { peer_id: 'called-otherwise' });
  expect(await feed(data)).toBe(410);
  expect((await redeem(token, 31)).status).toBe(410);
});

it('answers no token that does not work: a call that is repeated under its key is refused', async () => {
  const args = { network_id: 'net', name: 'repeated', idempotency_key: 'k1' };
  const first = await ok<Issued>('system_sdwan_issue_user_device', args);
  const { status, body } = await drover.rest('system_sdwan_issue_user_device', args);
  expect([status, body.error.code]).toEqual([409, 'token_told_already']);
  expect((await redeem(first.token, 41)).status).toBe(200);
});

describe('an operator who is disabled', () => {
  const operator = async (name: string) =>
    (await ok<{ token: { secret: string } }>('system_create_operator', { name, role: 'operator' })).token.secret;
  const issueAs = async (token: string, name: string) => {
    const { status, body } = await drover.rest('system_sdwan_issue_user_device', { network_id: 'net', name }, token);
    expect([status, body.error]).toEqual([200, undefined]);
    return body.data as unknown as Issued;
  };
  const grants = async () =>
    (
      await ok<{ grants: { name: string; status: string; created_by: string; revoked_reason: string | null }[] }>(
        'system_sdwan_list_access_grants',
        {},
      )
    ).grants;
  const grantOf = async (name: string) => (await grants()).find((grant) => grant.name === name)!;

  it('takes their devices and unused URLs along, which enabling does not bring back; those of others stay', async () => {
    const [maria, boris] = [await operator('maria'), await operator('boris')];
    const [hers, unused, his] = [
      await issueAs(maria, 'hers'),
      await issueAs(maria, 'hers-unused'),
      await issueAs(boris, 'his'),
    ];
    const [her, him] = [(await redeem(hers.token, 51)).data, (await redeem(his.token, 52)).data];
    expect([await feed(her), await feed(him)]).toEqual([200, 200]);
    await ok('system_disable_operator', { operator: 'maria', reason: 'left' });
    // At once, whatever is still to be revoked.
    expect(await redeem(unused.token, 53)).toMatchObject({ status: 410, error: { code: 'bootstrap_token_gone' } });
    await until('her device is out', async () => (await feed(her)) === 410);
    await until('her grants are revoked', async () => (await grantOf('hers-unused')).status === 'revoked');
    expect(await grantOf('hers')).toMatchObject({
      status: 'revoked',
      revoked_reason: 'the operator who let it in was disabled',
    });
    expect(await feed(him)).toBe(200);
    const { events } = await ok<{ events: { payload: object }[] }>('recent_events', {
      kind_prefix: 'system.sdwan.access_grant.revoked',
      limit: 2,
    });
    expect(events.map(({ payload }) => payload)).toEqual(
      Array(2).fill(expect.objectContaining({ reason: 'the operator who let it in was disabled' })),
    );

    await ok('system_enable_operator', { operator: 'maria' });
    expect([await feed(her), (await grantOf('hers')).status]).toEqual([410, 'revoked']);
    expect(await redeem(unused.token, 53)).toMatchObject({ status: 410 });
    const anew = await issueAs(maria, 'hers');
    expect((await redeem(anew.token, 54)).status).toBe(200);
  });
});
