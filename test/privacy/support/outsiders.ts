import { createHash, randomBytes } from 'node:crypto';
import { until } from '../../../apps/lab/src/processes.js';
import { deviceToken } from '../../../libs/sdwan/src/application/grant-token.js';
import { signIn } from '../../doubles/oidc/start.js';
import { bytesSecret, textSecret, type Secret } from './hunt.js';
import type { TellingClient } from './telling-client.js';

/** Who signs in, and what the provider says of it. */
export const PEOPLE = { maria: { groups: ['ops'] } };
export const loginEnv = (issuer: string) => ({
  DROVER_OIDC_ISSUER: issuer,
  DROVER_OIDC_CLIENT_ID: 'drover',
  DROVER_OIDC_SCOPES: 'openid profile groups',
  DROVER_OIDC_RULES: JSON.stringify([{ claim: 'groups', is: 'ops', role: 'operator' }]),
});

/** 256 bits in base64url stand at the end of every token of ours; what is before names whose it is. */
export const secretHalf = (token: string): string => token.trim().slice(-43);

const post = (body: object, bearer?: string): RequestInit => ({
  method: 'POST',
  body: JSON.stringify(body),
  ...(bearer === undefined ? {} : { headers: { authorization: `Bearer ${bearer}` } }),
});
const dataOf = <T>(text: string): T => (JSON.parse(text) as { readonly data: T }).data;

/** Somebody comes in by a browser, and the same answer of the provider is tried again. */
const login = async (client: TellingClient): Promise<Secret[]> => {
  const verifier = randomBytes(32).toString('base64url');
  const code_challenge = createHash('sha256').update(verifier).digest('base64url');
  const path = '/api/v1/login/oidc';
  const redirect_uri = 'http://127.0.0.1:4999/callback';
  type Begun = { readonly authorization_url: string; readonly login: string };
  const begun = dataOf<Begun>(
    await client.request('begin of a login', `${path}/start`, post({ redirect_uri, code_challenge })),
  );
  const back = Object.fromEntries(signIn(begun.authorization_url, 'maria').searchParams);
  const finish = { ...back, login: begun.login, code_verifier: verifier };
  const { token } = dataOf<{ token: string }>(
    await client.request('answer to a login', `${path}/finish`, post(finish)),
  );
  await client.request('error: a login twice', `${path}/finish`, post(finish));
  await client.request('answer to a session', '/api/v1/tools/system_list_nodes', post({}, token));
  return [
    textSecret('session token', secretHalf(token)),
    textSecret('code verifier', verifier),
    textSecret('login code', back['code']!),
  ];
};

/** A phone with WireGuard's own app: it redeems its URL, fetches its configuration, and comes with the used URL again. */
const userDevice = async (client: TellingClient, network_id: string): Promise<Secret[]> => {
  const { token } = await client.call<{ token: string }>('system_sdwan_issue_user_device', {
    network_id,
    name: 'phone',
  });
  const public_key = randomBytes(32).toString('base64');
  const path = `/api/v1/sdwan/bootstrap/${token}`;
  type Redeemed = { readonly config_path: string; readonly device_token: string };
  const redeemed = dataOf<Redeemed>(await client.request('answer to a redemption', path, post({ public_key }, 'none')));
  const own = { headers: { authorization: `Bearer ${redeemed.device_token}` } };
  await client.request('configuration of a device', redeemed.config_path, own);
  await client.request('error: a device twice', path, post({ public_key: randomBytes(32).toString('base64') }, 'none'));
  await client.call('system_sdwan_revoke_user_device', { device_id: 'phone' });
  expect(redeemed.device_token).toBe(deviceToken(token, public_key));
  return [textSecret('grant token', secretHalf(token)), textSecret('device token', redeemed.device_token)];
};

const WEBHOOK = { webhook_id: 'chat' };

/** Its URL is a capability, and nobody listens there: what was tried and why it failed is told in many places. */
const webhook = async (client: TellingClient): Promise<Secret[]> => {
  const capability = randomBytes(24).toString('base64url');
  const url = `http://127.0.0.1:9/hooks/${capability}`;
  const { secret } = await client.call<{ secret: string }>('system_create_webhook', { name: 'chat', url });
  await client.request('answer to a webhook’s test', '/api/v1/tools/system_test_webhook', post(WEBHOOK));
  await client.call('system_create_template', { name: 'told-to-the-webhook' });
  await until('a delivery has failed', async () => {
    type Listed = { readonly webhooks: readonly { readonly failed_attempts: number }[] };
    const { webhooks } = await client.call<Listed>('system_list_webhooks');
    return webhooks[0]!.failed_attempts > 1;
  });
  return [
    textSecret('webhook URL', capability),
    bytesSecret('webhook secret', Buffer.from(secret.slice('whsec_'.length), 'base64')),
  ];
};

/** People, devices and receivers outside the fleet get secrets of their own. */
export const letOutsidersIn = async (client: TellingClient, network: string): Promise<Secret[]> => [
  ...(await login(client)),
  ...(await userDevice(client, network)),
  ...(await webhook(client)),
];
export const endWebhook = (client: TellingClient) => client.call('system_delete_webhook', WEBHOOK);

/** A new server token, on every server; the former one is kept for older snapshots. */
export const rotateServerToken = async (client: TellingClient, cluster_id: string): Promise<void> => {
  await client.call('kubernetes_rotate_server_token', { cluster_id, drain: false });
  await until(
    'the server token is another',
    async () => {
      type Answer = { readonly upgrade: { readonly state: string } };
      const { upgrade } = await client.call<Answer>('kubernetes_get_upgrade', { cluster_id });
      return upgrade.state === 'completed';
    },
    90_000,
    150,
  );
};
