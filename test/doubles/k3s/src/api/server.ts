import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf, warn } from '../log.js';
import { readBody } from '../raft/peer-server.js';
import type { Datastore } from '../datastore.js';
import { NoLeaderError } from '../raft/types.js';
import type { KubeObject } from '../store.js';
import { GIT_COMMIT, K3S_VERSION } from '../version.js';
import { authenticate, authorize, type User } from './authn.js';
import type { Crud, DeleteOptions } from './crud.js';
import { openApiDocument, openApiIndex } from './openapi.js';
import { groupList, groupVersion, parsePath, resourceList, type ApiPath } from './resources.js';
import { selectorOf } from './selectors.js';
import type { ServiceAccountTokens } from './service-accounts.js';
import { ApiError } from './status.js';
import { tableOf } from './table.js';
import { serveWatch } from './watch.js';

export interface SupervisorRoute {
  /** Undefined when the path is none of the supervisor's. */
  (path: string, request: IncomingMessage, user: User | undefined): Promise<string | Buffer | undefined> | undefined;
}
interface Deps {
  readonly crud: Crud;
  readonly datastore: Datastore;
  readonly serverSecret: string;
  readonly tokens: ServiceAccountTokens;
  readonly supervisor: SupervisorRoute;
}

const json = (response: ServerResponse, code: number, body: object): void => {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(code, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
};

const wantsTable = (request: IncomingMessage): boolean => {
  const first = (request.headers.accept ?? '').split(',')[0] ?? '';
  return first.includes('as=Table') && first.includes('g=meta.k8s.io');
};

/** The API server's front door: authentication, discovery, health, supervisor paths, resources. */
export const apiHandler = (deps: Deps) => {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'https://localhost');
    const user = authenticate(request, deps.crud.store, deps.serverSecret, deps.tokens, Date.now());
    const supervised = deps.supervisor(url.pathname, request, user);
    if (supervised !== undefined) {
      const body = await supervised; // a refusal must come before the status
      return void response.writeHead(200).end(body);
    }
    // k3s runs its API server with anonymous-auth=false: health and version answer 401 too.
    if (user === undefined) throw new ApiError(401, 'Unauthorized');
    const discovered = discovery(url.pathname);
    if (discovered !== undefined) return json(response, 200, discovered);
    if (/^\/(healthz|readyz|livez)(\/|$)/.test(url.pathname)) return health(deps.datastore, url, response);
    const path = parsePath(url.pathname);
    if (path === undefined) throw new ApiError(404, 'the server could not find the requested resource');
    await resource(deps, { request, response, url, user, path });
  };
  return (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response).catch((cause: unknown) => fail(response, cause));
  };
};

const fail = (response: ServerResponse, cause: unknown): void => {
  const status =
    cause instanceof ApiError ? cause : new ApiError(cause instanceof NoLeaderError ? 503 : 500, messageOf(cause));
  if (!(cause instanceof ApiError)) warn(`request failed: ${messageOf(cause)}`);
  if (response.headersSent) response.destroy();
  else json(response, status.code, status.toStatus());
};

const discovery = (path: string): object | undefined => {
  const [, root, group, version, more] = path.split('/');
  if (path === '/version')
    return {
      major: '1',
      minor: '30',
      gitVersion: K3S_VERSION,
      gitCommit: GIT_COMMIT,
      gitTreeState: 'clean',
      buildDate: '2024-09-19T22:20:34Z',
      goVersion: 'go1.22.6',
      compiler: 'gc',
      platform: 'linux/amd64',
    };
  if (path === '/api' || path === '/api/')
    return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
  if (path === '/apis' || path === '/apis/') return groupList();
  if (path === '/openapi/v3') return openApiIndex();
  if (path.startsWith('/openapi/v3/')) return openApiDocument(path.replace(/^\/openapi\/v3\/apis?\//, ''));
  if (root === 'api' && version === undefined) return resourceList('', group!);
  if (root === 'apis' && group !== undefined && version !== undefined && more === undefined)
    return resourceList(group, version);
  return undefined;
};

const health = async (datastore: Datastore, url: URL, response: ServerResponse): Promise<void> => {
  const etcd = await Promise.race([
    datastore.readBarrier().then(() => true),
    new Promise<boolean>((done) => setTimeout(() => done(false), 2_000)),
  ]).catch(() => false);
  const check = url.pathname.split('/')[1]!;
  const lines = `[+]ping ok\n[+]log ok\n[${etcd ? '+' : '-'}]etcd ${etcd ? 'ok' : 'failed: reason withheld'}\n${check} check ${etcd ? 'passed' : 'failed'}\n`;
  const text = etcd && !url.searchParams.has('verbose') ? 'ok' : lines;
  response.writeHead(etcd ? 200 : 500, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
};

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly user: User;
  readonly path: ApiPath;
}

const verbOf = ({ request, url, path }: Call): string => {
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return isWatch(url) ? 'watch' : path.name === undefined ? 'list' : 'get';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return path.name === undefined ? 'deletecollection' : 'delete';
    default:
      throw new ApiError(405, `method ${request.method ?? ''} is not allowed`);
  }
};
const isWatch = (url: URL): boolean => ['1', 'true'].includes(url.searchParams.get('watch') ?? '');

const resource = async (deps: Deps, call: Call): Promise<void> => {
  const { request, response, url, user, path } = call;
  const verb = verbOf(call);
  authorize(deps.crud.store, user, verb, path);
  if (verb === 'get' || verb === 'list' || verb === 'watch') return read(deps, call, verb);
  if ((request.headers['content-type'] ?? '').includes('protobuf'))
    throw new ApiError(415, 'the stand-in does not read protobuf; send application/json');
  const body = await readBody(request, 3 * 1024 * 1024);
  // Preconditions and retries start from what the quorum has, not from what this server last heard.
  await deps.datastore.readBarrier();
  const render = renderer(deps, call);
  const { crud } = deps;
  const namespace = path.namespace ?? (path.type.namespaced ? 'default' : undefined);
  const target = { type: path.type, namespace, name: path.name ?? '' };
  const options = (): DeleteOptions => deleteOptions(body, url);
  if (verb === 'create' && path.subresource === 'eviction') {
    await crud.evict(
      target,
      deleteOptions(JSON.stringify((JSON.parse(body) as { deleteOptions?: object }).deleteOptions ?? {}), url),
    );
    return json(response, 201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
  }
  if (verb === 'create' && path.subresource === 'binding') {
    const { target: node } = JSON.parse(body) as { target: { name: string } };
    await crud.change(target, (pod) => ({ ...pod, spec: { ...(pod['spec'] as object), nodeName: node.name } }));
    return json(response, 201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
  }
  if (verb === 'create' && path.subresource === 'token')
    return json(response, 201, deps.tokens.request(crud.get(target), body, Date.now()));
  if (verb === 'create')
    return json(response, 201, render([await crud.create(path.type, namespace, body, url.searchParams.has('dryRun'))]));
  if (verb === 'update') return json(response, 200, render([await crud.update(target, body, path.subresource)]));
  if (verb === 'patch')
    return json(
      response,
      200,
      render([await crud.patch(target, request.headers['content-type'] ?? '', body, path.subresource)]),
    );
  if (verb === 'delete') return json(response, 200, render([await crud.delete(target, options())]));
  const victims = crud.list(path.type, path.namespace, selectorOf(url.searchParams));
  for (const { metadata } of victims)
    await crud.delete({ type: path.type, namespace: metadata.namespace, name: metadata.name }, options());
  json(response, 200, listOf(deps, path, victims));
};

const deleteOptions = (body: string, url: URL): DeleteOptions => {
  const parsed = body.trim() === '' ? {} : (JSON.parse(body) as DeleteOptions);
  const seconds = url.searchParams.get('gracePeriodSeconds');
  return seconds === null ? parsed : { ...parsed, gracePeriodSeconds: Number(seconds) };
};

const renderer =
  (deps: Deps, { request, url, path }: Call) =>
  (objects: readonly KubeObject[]): object =>
    wantsTable(request)
      ? tableOf(path.type, objects, deps.crud.store.revision, url.searchParams.get('includeObject') ?? 'Metadata')
      : objects[0]!;

const listOf = (deps: Deps, path: ApiPath, items: readonly KubeObject[], token?: string): object => ({
  kind: `${path.type.kind}List`,
  apiVersion: groupVersion(path.type),
  metadata: {
    resourceVersion: String(deps.crud.store.revision),
    ...(token === undefined ? {} : { continue: token }),
  },
  items,
});

const read = async (deps: Deps, call: Call, verb: string): Promise<void> => {
  const { response, url, path } = call;
  // resourceVersion=0 may be served from this server's cache, and so is a watch that says where to go on ("start at exact"):
  // controllers resume without a quorum, also while etcd elects a leader. Everything else is read under the quorum.
  const version = url.searchParams.get('resourceVersion') ?? '';
  if (version === '' || (verb !== 'watch' && version !== '0')) await deps.datastore.readBarrier();
  const render = renderer(deps, call);
  if (verb === 'watch')
    return serveWatch(deps.crud.store, response, {
      type: path.type,
      namespace: path.namespace,
      name: path.name,
      query: url.searchParams,
      render: (o) => render([o]),
    });
  if (verb === 'get') {
    if (path.subresource === 'log')
      return void response.writeHead(200, { 'content-type': 'text/plain' }).end('the stand-in runs no containers\n');
    return json(
      response,
      200,
      render([deps.crud.get({ type: path.type, namespace: path.namespace, name: path.name! })]),
    );
  }
  const items = deps.crud.list(path.type, path.namespace, selectorOf(url.searchParams));
  const { page, token } = pageOf(items, url.searchParams);
  json(response, 200, wantsTable(call.request) ? render(page) : listOf(deps, path, page, token));
};

/** `limit` and `continue`: the token says how many were given. */
const pageOf = (items: readonly KubeObject[], query: URLSearchParams) => {
  const limit = Number(query.get('limit') ?? '0');
  const given = Number(Buffer.from(query.get('continue') ?? '', 'base64').toString('utf8') || '0');
  const page = limit > 0 ? items.slice(given, given + limit) : items.slice(given);
  const more = given + page.length < items.length;
  return { page, token: more ? Buffer.from(String(given + page.length)).toString('base64') : undefined };
};
