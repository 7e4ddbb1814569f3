import { join } from 'node:path';
import type { NodeOptions } from '../cli/options.js';
import { Client, HttpStatusError, refusalOf } from '../client.js';
import { nodePassword, readIfThere, writeAtomic } from '../files.js';
import { fetchCa } from '../join.js';
import { error, fatal, info, messageOf, sleep } from '../log.js';
import { notifyReady } from '../notify.js';
import { authorizationOf, parseToken } from '../token.js';
import { K3S_VERSION } from '../version.js';
import { Kubelet } from './kubelet.js';

interface Joined {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly servers: readonly string[];
}

const paths = (dataDir: string) => ({
  ca: join(dataDir, 'agent/server-ca.crt'),
  cert: join(dataDir, 'agent/client-kubelet.crt'),
  key: join(dataDir, 'agent/client-kubelet.key'),
  servers: join(dataDir, 'agent/etc/k3s-agent-load-balancer.json'),
});

const knownServers = (dataDir: string): string[] => {
  const text = readIfThere(paths(dataDir).servers);
  return text === undefined
    ? []
    : ((JSON.parse(text) as { ServerAddresses: string[] }).ServerAddresses ?? []).map((a) => `https://${a}`);
};

const rememberServers = (dataDir: string, serverUrl: string, addresses: readonly string[]): void =>
  writeAtomic(paths(dataDir).servers, JSON.stringify({ ServerURL: serverUrl, ServerAddresses: addresses }, null, 2));

/** One attempt to join: the CA by the token's hash, the certificate by the token (or by an earlier certificate). */
const attempt = async (options: NodeOptions, serverUrl: string, tokenText: string): Promise<Joined> => {
  const at = paths(options.dataDir);
  const token = parseToken(tokenText);
  const candidates = [serverUrl, ...knownServers(options.dataDir)];
  const ca = readIfThere(at.ca) ?? (await fetchCa(serverUrl, token));
  const earlier = { cert: readIfThere(at.cert), key: readIfThere(at.key) };
  const has = earlier.cert !== undefined && earlier.key !== undefined;
  const headers = { 'k3s-node-name': options.nodeName, 'k3s-node-password': nodePassword() };
  const client = has
    ? new Client(candidates, { ca, cert: earlier.cert!, key: earlier.key! }, headers)
    : new Client(candidates, { ca }, { ...headers, authorization: authorizationOf(token, 'node') });
  const config = await client.call('GET', '/v1-k3s/config');
  if (config.status !== 200)
    throw new HttpStatusError(
      config.status,
      `${serverUrl}/v1-k3s/config: ${config.status} ${config.status === 401 ? 'Unauthorized' : config.body.trim()}`,
    );
  const answer = await client.call('GET', '/v1-k3s/client-kubelet.crt');
  if (answer.status !== 200) throw new HttpStatusError(answer.status, refusalOf(answer, 'client-kubelet.crt'));
  const [cert, key] = answer.body.split(/(?=-----BEGIN PRIVATE KEY-----)/) as [string, string];
  const servers = await client.json<string[]>('GET', '/v1-k3s/apiservers');
  writeAtomic(at.ca, ca, 0o644);
  writeAtomic(at.cert, cert, 0o644);
  writeAtomic(at.key, key);
  rememberServers(options.dataDir, serverUrl, servers);
  return { ca, cert, key, servers };
};

export const runAgent = async (options: NodeOptions): Promise<void> => {
  info(`Starting k3s agent ${K3S_VERSION} (stand-in of the drover tests)`);
  const serverUrl = options.server?.replace(/\/$/, '');
  const token = options.token ?? (options.tokenFile === undefined ? undefined : readIfThere(options.tokenFile)?.trim());
  if (token === undefined || token === '') return fatal('Error: --token is required');
  if (serverUrl === undefined) return fatal('Error: --server is required');
  parseTokenOrDie(token);
  for (;;) {
    try {
      const joined = await attempt(options, serverUrl, token);
      return await work(options, serverUrl, joined);
    } catch (cause) {
      error(`Failed to validate connection to cluster at ${serverUrl}: ${messageOf(cause)}`);
      await sleep(1_000);
    }
  }
};

const parseTokenOrDie = (token: string): void => {
  try {
    parseToken(token);
  } catch (cause) {
    fatal(`Error: ${messageOf(cause)}`);
  }
};

const work = async (options: NodeOptions, serverUrl: string, joined: Joined): Promise<void> => {
  const { ca, cert, key } = joined;
  const urls = (addresses: readonly string[]): string[] => [
    ...addresses.map((address) => `https://${address}`),
    serverUrl,
  ];
  const client = new Client(urls(joined.servers), { ca, cert, key });
  const labels = Object.fromEntries(options.nodeLabels.map((label) => label.split(/=(.*)/s) as [string, string]));
  const refresh = async (): Promise<void> => {
    for (;;) {
      await sleep(5_000);
      try {
        const addresses = await client.json<string[]>('GET', '/v1-k3s/apiservers');
        rememberServers(options.dataDir, serverUrl, addresses);
        client.setServers(urls(addresses));
      } catch (cause) {
        error(`Failed to refresh the list of servers: ${messageOf(cause)}`);
      }
    }
  };
  void refresh();
  info('k3s agent is up and running');
  notifyReady();
  await new Kubelet(client, { name: options.nodeName, ips: options.nodeIps, labels }).run();
};
