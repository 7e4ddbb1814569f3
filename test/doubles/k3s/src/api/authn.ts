import { X509Certificate, createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Store } from '../store.js';
import { permitted } from './rbac.js';
import type { ApiPath } from './resources.js';
import type { ServiceAccountTokens } from './service-accounts.js';
import { ApiError } from './status.js';

export interface User {
  readonly name: string;
  readonly groups: readonly string[];
}

const same = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());

const fromCertificate = (request: IncomingMessage): User | undefined => {
  const socket = request.socket as TLSSocket;
  if (!socket.authorized) return undefined;
  const raw = socket.getPeerX509Certificate?.() as X509Certificate | undefined;
  if (raw === undefined) return undefined;
  const fields = raw.subject.split('\n').map((line) => line.split(/=(.*)/s));
  const name = fields.find(([key]) => key === 'CN')?.[1];
  return name === undefined
    ? undefined
    : { name, groups: fields.filter(([key]) => key === 'O').map(([, value]) => value!) };
};

/** A bootstrap token from its secret in kube-system, unless unknown, expired or not for authentication. */
export const bootstrapUser = (store: Store, bearer: string, now: number): User | undefined => {
  const [id, secret] = bearer.split('.');
  if (id === undefined || secret === undefined) return undefined;
  const found = store.get(`/registry/secrets/kube-system/bootstrap-token-${id}`)?.object;
  if (found === undefined || found['type'] !== 'bootstrap.kubernetes.io/token') return undefined;
  const data = (found['data'] ?? {}) as Record<string, string>;
  const read = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
  if (!same(read('token-secret'), secret) || read('usage-bootstrap-authentication') !== 'true') return undefined;
  const expiration = read('expiration');
  if (expiration !== '' && !(Date.parse(expiration) > now)) return undefined;
  const extra = read('auth-extra-groups')
    .split(',')
    .filter((group) => group !== '');
  return { name: `system:bootstrap:${id}`, groups: ['system:bootstrappers', ...extra] };
};

/** Client certificate of the cluster's client CA, bearer token of a bootstrap or a service account, or basic auth with the server token (supervisor paths). */
export const authenticate = (
  request: IncomingMessage,
  store: Store,
  serverSecret: string,
  tokens: ServiceAccountTokens,
  now: number,
): User | undefined => {
  const certificate = fromCertificate(request);
  if (certificate !== undefined) return certificate;
  const header = request.headers.authorization ?? '';
  const [scheme, value = ''] = header.split(' ');
  if (scheme?.toLowerCase() === 'bearer') return bootstrapUser(store, value, now) ?? tokens.user(store, value, now);
  if (scheme?.toLowerCase() !== 'basic') return undefined;
  const [name = '', ...password] = Buffer.from(value, 'base64').toString('utf8').split(':');
  if (!['server', 'node'].includes(name) || !same(password.join(':'), serverSecret)) return undefined;
  return name === 'server'
    ? { name: 'server', groups: ['k3s:server', 'k3s:agent'] }
    : { name: 'node', groups: ['k3s:agent'] };
};

const nodeMay = (verb: string, resource: string): boolean =>
  verb === 'get' || ['nodes', 'leases', 'pods', 'events'].includes(resource);

/** system:masters may do everything, nodes what a kubelet needs, service accounts what they are bound to, nobody else anything. */
export const authorize = (store: Store, user: User, verb: string, path: ApiPath): void => {
  const { resource, group } = path.type;
  if (user.groups.includes('system:masters')) return;
  if (user.groups.includes('system:nodes') && nodeMay(verb, resource)) return;
  if (user.groups.includes('system:serviceaccounts') && permitted(store, user.name, verb, path)) return;
  throw new ApiError(
    403,
    `${resource} is forbidden: User "${user.name}" cannot ${verb} resource "${resource}" in API group "${group}" at the cluster scope`,
    { kind: resource },
  );
};
