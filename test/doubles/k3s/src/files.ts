import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createCa, type KeyPair } from './pki.js';
import { tuning } from './version.js';

/** What all servers of a cluster share. A joining server gets it over /v1-k3s/server-bootstrap. */
export interface ClusterSecrets {
  readonly serverCa: KeyPair;
  readonly clientCa: KeyPair;
  readonly peerCa: KeyPair;
  /** The password part of the server token. */
  readonly secret: string;
}

export const writeAtomic = (path: string, text: string, mode = 0o600): void => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.tmp-${process.pid}`;
  writeFileSync(temporary, text, { mode });
  renameSync(temporary, path);
};

export const readIfThere = (path: string): string | undefined =>
  existsSync(path) ? readFileSync(path, 'utf8') : undefined;

export const serverPaths = (dataDir: string) => ({
  token: join(dataDir, 'server/token'),
  nodeToken: join(dataDir, 'server/node-token'),
  agentToken: join(dataDir, 'server/agent-token'),
  tls: (name: string) => join(dataDir, 'server/tls', name),
  adminKubeconfig: join(dataDir, 'server/cred/admin.kubeconfig'),
  db: join(dataDir, 'server/db'),
  member: join(dataDir, 'server/db/member.json'),
  joining: join(dataDir, 'server/db/joining.json'),
});

const authorities = { serverCa: 'server-ca', clientCa: 'client-ca', peerCa: 'etcd/peer-ca' } as const;

export const createSecrets = async (secret: string | undefined): Promise<ClusterSecrets> => ({
  serverCa: await createCa('k3s-server-ca'),
  clientCa: await createCa('k3s-client-ca'),
  peerCa: await createCa('etcd-peer-ca'),
  secret: secret ?? randomBytes(16).toString('hex'),
});

export const loadSecrets = (dataDir: string): ClusterSecrets | undefined => {
  const paths = serverPaths(dataDir);
  const token = readIfThere(paths.token);
  if (token === undefined || !existsSync(paths.tls('server-ca.key'))) return undefined;
  const pair = (name: string): KeyPair => ({
    cert: readFileSync(paths.tls(`${name}.crt`), 'utf8'),
    key: readFileSync(paths.tls(`${name}.key`), 'utf8'),
  });
  return {
    serverCa: pair(authorities.serverCa),
    clientCa: pair(authorities.clientCa),
    peerCa: pair(authorities.peerCa),
    secret: token.trim().split(':').at(-1)!,
  };
};

export const saveSecrets = (dataDir: string, secrets: ClusterSecrets, fullToken: string): void => {
  const paths = serverPaths(dataDir);
  for (const [field, name] of Object.entries(authorities)) {
    const pair = secrets[field as keyof typeof authorities];
    writeAtomic(paths.tls(`${name}.crt`), pair.cert, 0o644);
    writeAtomic(paths.tls(`${name}.key`), pair.key);
  }
  writeAtomic(paths.token, `${fullToken}\n`);
  for (const link of [paths.nodeToken, paths.agentToken]) {
    rmSync(link, { force: true });
    symlinkSync(paths.token, link);
  }
};

export const savePair = (dataDir: string, name: string, pair: KeyPair): void => {
  writeAtomic(serverPaths(dataDir).tls(`${name}.crt`), pair.cert, 0o644);
  writeAtomic(serverPaths(dataDir).tls(`${name}.key`), pair.key);
};

/** The node's own password: keeps another machine from taking its name. */
export const nodePassword = (): string => {
  const path = join(tuning.etcDir, 'node/password');
  const known = readIfThere(path)?.trim();
  if (known !== undefined) return known;
  const fresh = randomBytes(16).toString('hex');
  writeAtomic(path, `${fresh}\n`);
  return fresh;
};

export const kubeconfigOf = (server: string, ca: string, admin: KeyPair): string => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ${base64(ca)}
    server: ${server}
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: ${base64(admin.cert)}
    client-key-data: ${base64(admin.key)}
`;
};

/** host:port or [v6]:port in a URL. */
export const httpsUrl = (host: string, port: number): string =>
  `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
