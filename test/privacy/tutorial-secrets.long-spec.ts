import { createHmac } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabRig } from '../e2e/support/lab-rig.js';
import { describeWithRealParts } from '../e2e/support/with-real-parts.js';
import { startOidcProvider } from '../doubles/oidc/start.js';
import { deviceToken } from '../../libs/sdwan/src/application/grant-token.js';
import { readDatabase } from './support/database.js';
import { filesBelow } from './support/files.js';
import { HOMES, LASTING_SUBJECTS } from './homes.js';
import {
  bytesSecret,
  emptyHomes,
  hunt,
  keySecrets,
  strayed,
  textSecret,
  type Place,
  type Secret,
} from './support/hunt.js';
import { ProcessWatch } from './support/process-watch.js';
import { endShortTutorial, MACHINES, playShortTutorial } from './support/short-tutorial.js';
import { secretsOfMachine } from './support/machine-secrets.js';
import { endWebhook, letOutsidersIn, loginEnv, PEOPLE, rotateServerToken, secretHalf } from './support/outsiders.js';
import { TellingClient } from './support/telling-client.js';

const KINDS = [
  ...['admin token', 'master key', 'cursor key', 'CA key', 'join token', 'grant token', 'device token'],
  ...['operator token', 'rotated token', 'session token', 'code verifier', 'login code'],
  ...['webhook URL', 'webhook secret', 'kept endpoint'],
  ...['kubeconfig key', 'kept server_token', 'node TLS key', 'WireGuard key', 'K3s token', 'K3s key'],
];
/** Times of failover have tests of their own; here a crowded machine must not look like a dead one. */
const PATIENT = { DROVER_LEASE_MS: '15000', DROVER_VIP_LEASE_MS: '6000' };

describeWithRealParts('a whole run of the tutorial', { network: 'namespaces' }, () => {
  let rig: LabRig;
  let provider: Awaited<ReturnType<typeof startOidcProvider>>;
  const places: Place[] = [];
  const secrets: Secret[] = [];
  let subjects: string[] = [];

  beforeAll(async () => {
    provider = await startOidcProvider(PEOPLE);
    const told = { DROVER_LOG_LEVEL: 'debug', DROVER_WEBHOOK_ALLOW_PRIVATE: 'yes' };
    rig = await LabRig.create({ hosts: MACHINES, platformEnv: { ...PATIENT, ...told, ...loginEnv(provider.issuer) } });
    await play();
  }, 300_000);

  afterAll(async () => {
    if (process.env['DROVER_KEEP_EVIDENCE'] !== undefined) {
      const to = process.env['DROVER_KEEP_EVIDENCE'];
      cpSync(join(rig.dataDir, 'platform.log'), join(to, 'platform.log'));
      cpSync(join(rig.lab.dir, 'logs'), join(to, 'logs'), { recursive: true });
    }
    await rig?.close();
    await provider?.stop();
  });

  const play = async () => {
    const watch = new ProcessWatch();
    const client = new TellingClient(
      () => rig.platform.httpUrl,
      () => rig.platform.token,
    );
    const made = await playShortTutorial(client, rig.lab);
    for (const host of [...MACHINES, 'workstation']) secrets.push(...(await secretsOfMachine(rig.lab, host)));
    await provoke(client, made.bootstrapUrl);
    await operatorTokens(client);
    secrets.push(...(await letOutsidersIn(client, 'prod')));
    await rotateServerToken(client, 'k3s-cluster-1');
    for (const host of MACHINES) secrets.push(...(await secretsOfMachine(rig.lab, host)));
    const admin = rig.platform.token;
    const masterKey = Buffer.from(readFileSync(join(rig.dataDir, 'master.key'), 'utf8').trim(), 'hex');
    secrets.push(
      textSecret('admin token', secretHalf(admin)),
      bytesSecret('master key', masterKey),
      bytesSecret('cursor key', createHmac('sha256', masterKey).update('drover position cursors').digest()),
      ...keySecrets('CA key', readFileSync(join(rig.dataDir, 'ca/ca.key'), 'utf8')),
      textSecret('grant token', secretHalf(made.grantToken)),
      textSecret('device token', deviceToken(made.grantToken, made.devicePublicKey)),
      ...MACHINES.map((host) =>
        textSecret('join token', secretHalf(readFileSync(join(rig.lab.dir, 'tokens', host), 'utf8'))),
      ),
      ...kubeconfigKeys(made.kubeconfig),
    );
    await rig.platform.stop();
    const before = await readDatabase(rig.dataDir, masterKey);
    for (const { name, plaintext } of before.kept) secrets.push(...ofStore(name, plaintext));
    await rig.platform.start();
    await endShortTutorial(client);
    await endWebhook(client);
    await client.request('metrics', '/metrics');
    await rig.platform.stop();
    const after = await readDatabase(rig.dataDir, masterKey);
    subjects = after.subjects;
    const kinds = ({ kept }: typeof before) => kept.map(({ name }) => kindOf(name));
    expect(kinds(before)).toEqual(expect.arrayContaining(['endpoint', 'kubeconfig', 'server_token']));
    expect(kinds(after)).not.toContain('kubeconfig');
    expect(kinds(after)).not.toContain('endpoint');
    places.push(...before.places, ...after.places, ...client.heard, ...watch.stop());
    places.push(...filesBelow(rig.dataDir, 'data').flatMap(withoutBanner), ...filesBelow(rig.lab.dir, 'lab'));
  };

  /** Made, used, repeated, rotated and revoked. */
  const operatorTokens = async (client: TellingClient) => {
    const shown = async (kind: string, tool: string, args: object) => {
      const { token } = await client.call<{ token: { id: string; secret: string } }>(tool, args);
      secrets.push(textSecret(kind, secretHalf(token.secret)));
      const authorization = `Bearer ${token.secret}`;
      await client.request('answer to another operator', '/api/v1/tools', { headers: { authorization } });
      return token.id;
    };
    const first = { name: 'colleague', role: 'viewer', idempotency_key: 'colleague' };
    await shown('operator token', 'system_create_operator', first);
    await client.request('answer to a repeated call', '/api/v1/tools/system_create_operator', {
      ...{ method: 'POST', body: JSON.stringify(first) },
    });
    await shown('operator token', 'system_create_account', { name: 'neighbours' });
    const id = await shown('operator token', 'system_issue_token', { operator: 'colleague', role: 'viewer' });
    const next = await shown('rotated token', 'system_rotate_token', { token_id: id });
    await client.call('system_revoke_token', { token_id: next });
    await client.call('system_list_tokens');
  };

  /** Calls that are wrong in a way that could make an answer, or a log line, repeat what it was given. */
  const provoke = async (client: TellingClient, bootstrapUrl: string) => {
    const token = rig.platform.token;
    const post = (body: string) => ({ method: 'POST', body });
    const tool = '/api/v1/tools/system_list_nodes';
    await client.request('error: unknown bearer', tool, {
      ...post('{}'),
      headers: { authorization: `Bearer ${token}x` },
    });
    await client.request('error: broken JSON', tool, post(`{"limit": "${token}`));
    await client.request('error: unknown parameter', tool, post(JSON.stringify({ limits: token })));
    await client.request('error: wrong type', tool, post(JSON.stringify({ limit: token })));
    await client.request('error: MCP', '/mcp', post(`{"jsonrpc":"2.0","id":1,"method":"${token}"`));
    const config = { registry: { password: token } };
    const assign = { template_id: `${MACHINES[0]}-template`, module_name: 'docker-engine', config };
    await client.request(
      'error: secret in config',
      '/api/v1/tools/system_assign_module_to_template',
      post(JSON.stringify(assign)),
    );
    const used = JSON.stringify({ public_key: Buffer.alloc(32, 9).toString('base64'), name: 'again' });
    await client.request('error: used grant', new URL(bootstrapUrl).pathname, post(used));
  };

  /** The first start shows the operator's token once, to whoever started it; that is no log line. */
  const withoutBanner = (place: Place): Place[] => {
    if (place.name !== 'data/platform.log') return [place];
    const lines = place.content.toString().split('\n');
    const part = (name: string, isLog: boolean) => ({
      name,
      content: Buffer.from(lines.filter((line) => line.startsWith('{') === isLog).join('\n')),
    });
    return [part('log of the platform', true), part('what the platform says at its start', false)];
  };

  it('made secrets of every kind', () => {
    const kinds = new Set(secrets.map(({ kind }) => kind.replace(/ \(.*/, '')));
    for (const kind of KINDS) expect(kinds).toContain(kind);
    expect(places.length).toBeGreaterThan(100);
  });

  it('left none of them where it has no business', () => {
    const findings = hunt(secrets, places);
    expect(strayed(findings, HOMES)).toEqual([]);
    expect(emptyHomes(findings, HOMES)).toEqual([]);
  });

  it('keeps secrets only for what ends, or for the platform itself', () => {
    const lasting = subjects.filter((subject) => !/^(cluster|instance|webhook)-/.test(subject));
    expect(lasting.filter((subject) => !LASTING_SUBJECTS.includes(subject))).toEqual([]);
  });

  it('would have told: a secret that is planted in any of these places is found', () => {
    for (const secret of secrets) {
      const planted = {
        name: 'platform.log',
        content: Buffer.concat([Buffer.from('{"msg":"'), [...secret.forms.values()][0]!]),
      };
      expect(strayed(hunt([secret], [planted]), HOMES)).toHaveLength(1);
    }
  });

  const kubeconfigKeys = (kubeconfig: string): Secret[] => {
    const data = /client-key-data: (\S+)/.exec(kubeconfig)![1]!;
    return keySecrets('kubeconfig key', Buffer.from(data, 'base64').toString());
  };

  /** What servers report is kept once for each that does; endpoints of webhooks under names of their own. */
  const kindOf = (name: string): string => name.replace(/\.instance-.*$/, '').replace(/^endpoint-.*/, 'endpoint');
  const ofStore = (name: string, plaintext: Buffer): Secret[] => {
    const [kind, text] = [kindOf(name), plaintext.toString()];
    if (text.includes('PRIVATE KEY-----')) return keySecrets(`kept ${kind}`, text);
    return kind === 'kubeconfig' ? kubeconfigKeys(text) : [textSecret(`kept ${kind}`, text)];
  };
});
