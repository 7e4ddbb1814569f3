import { Duplex } from 'node:stream';
import { ApiException } from '@kubernetes/client-node';
import { Dispatcher } from 'undici';
import { systemClock, systemRandom, type Timers } from '#kernel';
import { apiSaid } from '../application/api-said.js';
import { ClusterView } from '../application/cluster-view.js';
import { evictPods, setUnschedulable } from '../application/evict.js';
import type { KubeApi, KubeApis } from '../application/kube-api.js';
import { grantAccess, withdrawAccess } from '../application/kubeconfigs/cluster-access.js';
import { annotate, deleteNodePassword, leaveCluster } from '../application/leave-cluster.js';
import { problemOf } from '../application/node-conditions.js';
import { NodeChannel, type NodeRequest } from '../application/snapshots/node-channel.js';
import { SnapshotApi } from '../application/snapshots/supervisor.js';
import { ServerTokenApi } from '../application/token/server-token.js';
import { NodeProbe } from '../application/upgrade/node-probe.js';
import { WorkerTokens } from '../application/worker-tokens.js';
import { strangersOf } from '../domain/cluster/strangers.js';

/** What comes out of a call for each hostile text that the other side puts into its answer. */
export type TenantAnswer = (text: string) => Promise<unknown>;

const target = { clusterName: 'c', kubeconfigRef: 'r', servers: ['s1'] };
const SERVER_TOKEN = `K10${'ab'.repeat(32)}::server:0123456789abcdef`;

/** Whatever somebody waits for has come at once. */
const impatient = (): { readonly timers: Timers; readonly clock: { monotonicMs(): number; wallMs(): number } } => {
  let now = 0;
  const after: Timers['after'] = (delayMs, run) => {
    now += delayMs;
    const soon = setImmediate(run);
    return () => clearImmediate(soon);
  };
  return {
    timers: { ...after, after, every: () => () => undefined },
    clock: { monotonicMs: () => now, wallMs: () => now },
  };
};

const api = (core: object): KubeApi =>
  ({
    core,
    config: { makeApiClient: () => core },
    close: async () => undefined,
  }) as unknown as KubeApi;
const opened = (core: object) => ({ open: async () => api(core) }) as unknown as KubeApis;
const refuses = (text: string) => () =>
  Promise.reject(
    new ApiException(500, 'no', JSON.stringify({ kind: 'Status', message: text, reason: text }), { [text]: text }),
  );
/** A body that is no Status object, and a connection that ends with words. */
const said = async (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => apiSaid(error));

const node = (text: string) => ({
  metadata: { name: text, labels: { [text]: text }, annotations: { [text]: text }, resourceVersion: text },
  spec: { unschedulable: text, podCIDRs: [text] },
  status: {
    conditions: [{ type: 'Ready', status: text, reason: text, message: text }],
    nodeInfo: { kubeletVersion: text },
  },
});
const pod = (text: string) => ({
  metadata: { name: text, namespace: text, annotations: { [text]: text } },
  spec: { volumes: [{ name: text, emptyDir: {} }] },
  status: { phase: text, message: text },
});

const evicts = (text: string, evict: () => Promise<unknown>) => {
  const { timers, clock } = impatient();
  const progress: unknown[] = [];
  const core = {
    listPodForAllNamespaces: async () => ({ items: Array.from({ length: 12 }, (_, i) => pod(`${i}${text}`)) }),
    createNamespacedPodEviction: evict,
  };
  const onProgress = async (one: object) => void progress.push(one);
  return said(evictPods(api(core), 'n', { timeoutMs: 1_000, clock: clock as never, timers, onProgress })).then(
    (end) => [progress, end],
  );
};

const probe = async (core: object) => {
  const seen = await new NodeProbe(opened(core), systemClockTimers).look(
    { name: 'c', kubeconfigRef: 'r', nodes: new Map() } as never,
    [{ instanceId: 'i', name: 'n', role: 'server' }],
  );
  return [...seen.values()];
};
const systemClockTimers: Timers = { after: () => () => undefined, every: () => () => undefined } as Timers;

/** K3s' own endpoints, which answer everything alike. */
class Saying extends Dispatcher {
  constructor(
    private readonly status: number,
    private readonly text: string,
  ) {
    super();
  }

  override dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const nothing = () => undefined;
    const controller = { aborted: false, paused: false, reason: null, abort: nothing, pause: nothing, resume: nothing };
    handler.onRequestStart?.(controller, {});
    handler.onResponseStart?.(controller, this.status, {}, '');
    handler.onResponseData?.(controller, Buffer.from(this.text));
    handler.onResponseEnd?.(controller, {});
    return true;
  }

  override async close(): Promise<void> {}
}
const k3s = (status: number, text: string) =>
  ({ supervisor: async () => new Saying(status, text) }) as unknown as Pick<KubeApis, 'supervisor'>;
const snapshots =
  (ask: (one: SnapshotApi) => Promise<unknown>, answer: (text: string) => object): TenantAnswer =>
  async (text) => {
    const asked = (status: number, body: string) =>
      said(ask(new SnapshotApi(k3s(status, body), target, [SERVER_TOKEN])));
    return [await asked(200, JSON.stringify(answer(text))), await asked(200, text), await asked(500, text)];
  };

/** An agent's end of the channel that answers every request with one line. */
const agentSays = (line: string) => ({
  openTunnel: async () =>
    new Duplex({
      read: () => undefined,
      write(_chunk, _encoding, done) {
        done();
        this.push(`${line}\n`);
        this.push(null);
      },
    }),
});
const channel =
  (request: NodeRequest): TenantAnswer =>
  async (text) => {
    const ask = async (line: string): Promise<unknown> => {
      const node = new NodeChannel(agentSays(line), systemClockTimers);
      if (request.op !== 'read') return node.ask('i', request);
      for await (const chunk of node.read('i', request.file)) if (chunk.length === 0) break;
      return undefined;
    };
    const lines = [JSON.stringify({ ok: false, error: text }), JSON.stringify({ ok: true, size: text }), text];
    return Promise.all(lines.map((line) => said(ask(line))));
  };
const id = 'cluster-1';

/** A line for each call that this library makes to machines of tenants. A new call without one fails the test. */
export const TENANT_ANSWERS: Readonly<Record<string, TenantAnswer>> = {
  listPodForAllNamespaces: (text) => evicts(text, async () => ({})),
  createNamespacedPodEviction: async (text) => [
    await evicts(text, () => Promise.reject(Object.assign(new Error(text), { code: 429 }))),
    await evicts(text, refuses(text)),
  ],
  patchNode: async (text) => [
    await said(setUnschedulable(api({ patchNode: refuses(text) }), 'n', true)),
    await said(annotate(api({ patchNode: refuses(text) }), 'n', { a: 'b' })),
  ],
  listNode: async (text) => {
    const view = new ClusterView(() => Infinity);
    view.listed([node(text) as never, { ...node(text), metadata: { name: 'n' } } as never]);
    return [view.verdict('n'), strangersOf(view.names()!)];
  },
  'watch /api/v1/nodes': async (text) => {
    const view = new ClusterView(() => Infinity);
    view.listed([]);
    view.changed({ ...node(text), metadata: { name: 'n' } } as never);
    view.deleted(text);
    return view.verdict('n');
  },
  readNode: async (text) => [
    problemOf(node(text) as never),
    await probe({ readNode: async () => node(text), getCode: async () => ({ gitVersion: 'v1' }) }),
    await probe({ readNode: refuses(text), getCode: refuses(text) }),
  ],
  getCode: (text) => probe({ readNode: async () => node('x'), getCode: async () => ({ gitVersion: text }) }),
  deleteNode: async (text) => {
    const { timers, clock } = impatient();
    const core = { readNode: async () => node(text), deleteNode: refuses(text) };
    return said(leaveCluster(api(core), 'n', { boundMs: 1_000, clock: clock as never, timers }));
  },
  deleteNamespacedSecret: (text) => said(deleteNodePassword(api({ deleteNamespacedSecret: refuses(text) }), 'n')),
  createNamespacedSecret: (text) => {
    const tokens = new WorkerTokens(opened({ createNamespacedSecret: refuses(text) }), systemClock, systemRandom);
    return said(tokens.mint(target, SERVER_TOKEN, 'd'));
  },
  createNamespacedServiceAccount: (text) => grant({ createNamespacedServiceAccount: refuses(text) }),
  createClusterRoleBinding: (text) => grant({ createClusterRoleBinding: refuses(text) }),
  createNamespacedServiceAccountToken: async (text) => [
    await grant({ createNamespacedServiceAccountToken: refuses(text) }),
    await grant({
      createNamespacedServiceAccountToken: async () => ({ status: { token: text, expirationTimestamp: text } }),
    }),
  ],
  deleteClusterRoleBinding: (text) => said(withdrawAccess(api({ deleteClusterRoleBinding: refuses(text) }), 'n')),
  deleteNamespacedServiceAccount: (text) =>
    said(
      withdrawAccess(
        api({ deleteClusterRoleBinding: async () => ({}), deleteNamespacedServiceAccount: refuses(text) }),
        'n',
      ),
    ),
  '/db/snapshot save': snapshots(
    (one) => one.save('n'),
    (text) => ({ created: [text] }),
  ),
  '/db/snapshot list': snapshots(
    (one) => one.list(),
    (text) => ({
      items: [{ spec: { snapshotName: text, location: `file://${text}` } }, { spec: { snapshotName: text } }],
    }),
  ),
  '/db/snapshot delete': snapshots(
    (one) => one.delete('n'),
    (text) => ({ deleted: text }),
  ),
  '/db/snapshot': snapshots(
    (one) => one.save('n'),
    (text) => ({ [text]: text }),
  ),
  '/v1-k3s/token': (text) => said(new ServerTokenApi(k3s(500, text), target).rotate(SERVER_TOKEN, 's')),
  '/v1-k3s/encrypt/status': (text) => said(new ServerTokenApi(k3s(503, text), target).accepts(SERVER_TOKEN)),
  'channel read': channel({ op: 'read', file: 'f' }),
  'channel write': channel({ op: 'write', file: 'f', size: 1, sha256: 'x' }),
  'channel halt': channel({ op: 'halt', id }),
  'channel rejoin': channel({ op: 'rejoin', id }),
  'channel restore': channel({ op: 'restore', id, file: 'f', cluster_id: id, token: 't' }),
  'channel token': channel({ op: 'token', id, generation: 1, token: 't' }),
  'channel token_pair': channel({ op: 'token_pair', id, generation: 1, token: 't', former: 'f' }),
  'channel token_pair_ready': channel({ op: 'token_pair_ready', id }),
};

const granting = {
  createNamespacedServiceAccount: async () => ({}),
  createClusterRoleBinding: async () => ({}),
};
const grant = (core: object): Promise<unknown> =>
  said(grantAccess(api({ ...granting, ...core }), { serviceAccount: 'n', role: 'view', ttlSeconds: 600 }));
