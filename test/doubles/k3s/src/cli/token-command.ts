import { randomInt } from 'node:crypto';
import { parse } from 'yaml';
import { Client, HttpStatusError } from '../client.js';
import { readIfThere, serverPaths } from '../files.js';
import { validated } from '../join.js';
import { caHash } from '../pki.js';
import { formatBootstrapToken } from '../token.js';
import { tuning } from '../version.js';
import { parseFlags, splitArgs, UsageError, type FlagSpecs } from './flags.js';

const flags: FlagSpecs = {
  'data-dir': { kind: 'string', aliases: ['d'], env: ['K3S_DATA_DIR'] },
  kubeconfig: { kind: 'string', env: ['KUBECONFIG'] },
  description: { kind: 'string' },
  groups: { kind: 'list' },
  ttl: { kind: 'string' },
  usages: { kind: 'list' },
  output: { kind: 'string', aliases: ['o'] },
  server: { kind: 'string', aliases: ['s'], env: ['K3S_URL'] },
  token: { kind: 'string', aliases: ['t'], env: ['K3S_TOKEN'] },
  'new-token': { kind: 'string' },
};
const SECRETS = '/api/v1/namespaces/kube-system/secrets';
const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
const random = (length: number): string => Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');

/** Go's duration: 15m, 1h30m, 0 for never. */
const parseTtl = (text: string): number => {
  if (text === '0') return 0;
  const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map((p) => p[0]).join('') !== text)
    throw new UsageError(`invalid value "${text}" for flag -ttl: parse error`);
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * units[unit!]!, 0);
};

interface Kubeconfig {
  clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
  users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[];
}

const connect = (path: string): { client: Client; ca: string } => {
  const text = readIfThere(path);
  if (text === undefined) throw new UsageError(`stat ${path}: no such file or directory`);
  const config = parse(text) as Kubeconfig;
  const decode = (value: string): string => Buffer.from(value, 'base64').toString('utf8');
  const { cluster } = config.clusters[0]!;
  const { user } = config.users[0]!;
  const ca = decode(cluster['certificate-authority-data']);
  return {
    ca,
    client: new Client([cluster.server], {
      ca,
      cert: decode(user['client-certificate-data']),
      key: decode(user['client-key-data']),
    }),
  };
};

const create = async (
  client: Client,
  ca: string,
  values: ReturnType<typeof parseFlags>,
  given: string | undefined,
): Promise<void> => {
  if (given !== undefined && !/^[a-z0-9]{6}\.[a-z0-9]{16}$/.test(given))
    throw new UsageError(`the bootstrap token "${given}" was not of the form "\\A([a-z0-9]{6})\\.([a-z0-9]{16})\\z"`);
  const [id, secret] = (given ?? `${random(6)}.${random(16)}`).split('.') as [string, string];
  const ttl = parseTtl(typeof values['ttl'] === 'string' ? values['ttl'] : '24h');
  const groups =
    (values['groups'] as string[]).length > 0
      ? (values['groups'] as string[])
      : ['system:bootstrappers:k3s:default-node-token'];
  await client.json('POST', SECRETS, {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'bootstrap.kubernetes.io/token',
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
    stringData: {
      'token-id': id,
      'token-secret': secret,
      ...(ttl === 0 ? {} : { expiration: new Date(Date.now() + ttl).toISOString() }),
      'usage-bootstrap-authentication': 'true',
      'usage-bootstrap-signing': 'true',
      'auth-extra-groups': groups.join(','),
      ...(typeof values['description'] === 'string' ? { description: values['description'] } : {}),
    },
  });
  process.stdout.write(`${formatBootstrapToken(caHash(ca), id, secret)}\n`);
};

const rotate = async (values: ReturnType<typeof parseFlags>, dataDir: string): Promise<void> => {
  const text = (name: string) => (typeof values[name] === 'string' ? values[name] : undefined);
  const token = text('token') ?? readIfThere(serverPaths(dataDir).token)?.trim();
  if (token === undefined) throw new UsageError(`open ${serverPaths(dataDir).token}: no such file or directory`);
  const warning =
    'Recommended to keep a record of the old token. If restoring from a snapshot, you must use the token associated with that snapshot.';
  process.stdout.write(`\u001b[33mWARNING\u001b[0m: ${warning}\n`);
  const { client } = await validated(text('server') ?? 'https://127.0.0.1:6443', token, 'server');
  const { status, body } = await client.call('PUT', '/v1-k3s/token', { newToken: text('new-token') ?? '' });
  if (status !== 200)
    throw new HttpStatusError(status, `https://127.0.0.1:6443/v1-k3s/token: ${status} ${body.trim()}`);
  process.stdout.write('Token rotated, restart k3s nodes with new token\n');
};

export const runToken = async (argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> => {
  const [command, ...rest] = argv;
  const { flags: given, names: positional } = splitArgs(flags, rest);
  const values = parseFlags(flags, given, env, undefined);
  const dataDir = typeof values['data-dir'] === 'string' ? values['data-dir'] : '/var/lib/rancher/k3s';
  if (command === 'rotate') return rotate(values, dataDir);
  const fallback =
    readIfThere(serverPaths(dataDir).adminKubeconfig) === undefined
      ? `${tuning.etcDir}/k3s/k3s.yaml`
      : serverPaths(dataDir).adminKubeconfig;
  const { client, ca } = connect(typeof values['kubeconfig'] === 'string' ? values['kubeconfig'] : fallback);
  if (command === 'create') return create(client, ca, values, positional[0]);
  if (command === 'delete') {
    for (const token of positional) await client.json('DELETE', `${SECRETS}/bootstrap-token-${token.split('.')[0]}`);
    return;
  }
  if (command !== 'list') throw new UsageError(`No help topic for '${command ?? ''}'`);
  const { items } = await client.json<{ items: { data: Record<string, string> }[] }>(
    'GET',
    `${SECRETS}?fieldSelector=type=bootstrap.kubernetes.io/token`,
  );
  const text = (value: string | undefined): string =>
    value === undefined ? '<never>' : Buffer.from(value, 'base64').toString('utf8');
  process.stdout.write('TOKEN   EXPIRES\n');
  for (const { data } of items) process.stdout.write(`${text(data['token-id'])}  ${text(data['expiration'])}\n`);
};
