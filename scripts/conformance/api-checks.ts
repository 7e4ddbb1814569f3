import { PatchStrategy, RbacAuthorizationV1Api, setHeaderOptions, Watch, type V1Pod } from '@kubernetes/client-node';
import { evictPods, setUnschedulable } from '../../libs/kubernetes/src/application/evict.js';
import { leaveCluster } from '../../libs/kubernetes/src/application/leave-cluster.js';
import { problemOf } from '../../libs/kubernetes/src/application/node-conditions.js';
import { systemClock, systemTimers } from '#kernel';
import { eventually, refusedWith, that, type Check, type Target } from './check.js';

const NODE = 'conformance-node';
const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
const configMap = (name: string, data: Record<string, string> = {}) => ({ metadata: { name }, data });

const check = (name: string, run: Check['run']): Check => ({ name, of: 'any', run });

/** A pod on a node without a kubelet: where it is put it stays, and Running is what we say it is. */
const runningPod = async (
  { core, namespace }: Target,
  name: string,
  labels: Record<string, string>,
): Promise<V1Pod> => {
  const containers = [{ name: 'c', image: 'nginx' }];
  const tolerations = [{ operator: 'Exists' }];
  const spec = { containers, tolerations, nodeName: NODE, automountServiceAccountToken: false };
  await core.createNamespacedPod({ namespace, body: { metadata: { name, labels }, spec } });
  const conditions = [{ type: 'Ready', status: 'True' }];
  await core.patchNamespacedPodStatus({ namespace, name, body: { status: { phase: 'Running', conditions } } }, merge);
  return core.readNamespacedPod({ namespace, name });
};

const asApi = ({ core, config }: Target) => ({ core, config, close: async () => undefined });

export const apiChecks: readonly Check[] = [
  check('tells its version and its groups', async ({ raw }) => {
    const version = JSON.parse((await raw('GET', '/version')).body) as { gitVersion?: string };
    that(/^v1\.\d+/.test(version.gitVersion ?? ''), `gitVersion is ${version.gitVersion}`);
    const groups = (await raw('GET', '/apis')).body;
    for (const group of ['policy', 'coordination.k8s.io', 'apps'])
      that(groups.includes(`"${group}"`), `no group ${group}`);
  }),
  check('refuses who brings no credentials', async ({ raw }) => {
    const { status } = await raw('GET', '/api/v1/nodes', { user: 'nobody' });
    that(status === 401 || status === 403, `answered ${status}`);
  }),
  check('is ready (/readyz)', async ({ raw }) => that((await raw('GET', '/readyz')).body.trim() === 'ok', 'not ok')),
  check('creates, reads and deletes; says AlreadyExists and NotFound', async ({ core, namespace }) => {
    await core.createNamespacedConfigMap({ namespace, body: configMap('a', { k: 'v' }) });
    const again = await refusedWith(core.createNamespacedConfigMap({ namespace, body: configMap('a') }));
    that(again?.code === 409 && again.body.includes('AlreadyExists'), `twice: ${JSON.stringify(again)}`);
    that((await core.readNamespacedConfigMap({ namespace, name: 'a' })).data?.['k'] === 'v', 'other data');
    await core.deleteNamespacedConfigMap({ namespace, name: 'a' });
    const gone = await refusedWith(core.readNamespacedConfigMap({ namespace, name: 'a' }));
    that(gone?.code === 404 && gone.body.includes('NotFound'), `gone: ${JSON.stringify(gone)}`);
  }),
  check('refuses a write that is based on an older version', async ({ core, namespace }) => {
    const made = await core.createNamespacedConfigMap({ namespace, body: configMap('occ') });
    const { resourceVersion } = made.metadata!;
    const body = { ...configMap('occ', { n: '1' }), metadata: { name: 'occ', resourceVersion } };
    await core.replaceNamespacedConfigMap({ namespace, name: 'occ', body });
    const late = await refusedWith(core.replaceNamespacedConfigMap({ namespace, name: 'occ', body }));
    that(late?.code === 409 && late.body.includes('Conflict'), JSON.stringify(late));
  }),
  check('creates nothing in a dry run', async ({ core, namespace }) => {
    await core.createNamespacedConfigMap({ namespace, body: configMap('dry'), dryRun: 'All' });
    that((await refusedWith(core.readNamespacedConfigMap({ namespace, name: 'dry' })))?.code === 404, 'it is there');
  }),
  check('stores stringData of a secret as data', async ({ core, namespace }) => {
    await core.createNamespacedSecret({ namespace, body: { metadata: { name: 's' }, stringData: { k: 'value' } } });
    const { data } = await core.readNamespacedSecret({ namespace, name: 's' });
    that(Buffer.from(data?.['k'] ?? '', 'base64').toString() === 'value', JSON.stringify(data));
  }),
  check('lists by label, and in pages', async ({ core, namespace }) => {
    for (const name of ['p1', 'p2', 'p3'])
      await core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels: { page: 'yes' } } } });
    const first = await core.listNamespacedConfigMap({ namespace, labelSelector: 'page=yes', limit: 2 });
    const _continue = first.metadata?._continue;
    that(first.items.length === 2 && (_continue ?? '') !== '', `first page has ${first.items.length}`);
    const rest = await core.listNamespacedConfigMap({ namespace, labelSelector: 'page=yes', limit: 2, _continue });
    that(rest.items.length === 1 && (rest.metadata?._continue ?? '') === '', `second page has ${rest.items.length}`);
  }),
  check('watches from a version: every change once, in order', async ({ config, core, namespace }) => {
    const { metadata } = await core.listNamespacedConfigMap({ namespace });
    const seen: string[] = [];
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const note = (phase: string, object: { metadata: { name: string } }) =>
      void (phase === 'BOOKMARK' || seen.push(`${phase} ${object.metadata.name}`));
    const query = { resourceVersion: metadata?.resourceVersion, allowWatchBookmarks: true };
    const controller = await new Watch(config).watch(path, query, note, () => undefined);
    await core.createNamespacedConfigMap({ namespace, body: configMap('w') });
    await core.patchNamespacedConfigMap({ namespace, name: 'w', body: { data: { k: 'v' } } }, merge);
    await core.deleteNamespacedConfigMap({ namespace, name: 'w' });
    await eventually('three events', async () => seen.length >= 3, 10_000);
    controller.abort();
    that(seen.join() === 'ADDED w,MODIFIED w,DELETED w', seen.join());
  }),
  check('keeps an object with a finalizer until that is gone', async ({ core, namespace }) => {
    const name = 'fin';
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name, finalizers: ['drover.test/hold'] } } });
    await core.deleteNamespacedConfigMap({ namespace, name });
    const held = await core.readNamespacedConfigMap({ namespace, name });
    that(held.metadata?.deletionTimestamp !== undefined, 'it is not being deleted');
    await core.patchNamespacedConfigMap({ namespace, name, body: { metadata: { finalizers: null } } }, merge);
    that((await refusedWith(core.readNamespacedConfigMap({ namespace, name })))?.code === 404, 'it is still there');
  }),
  check('renews leases', async ({ coordination, namespace }) => {
    const spec = { holderIdentity: 'a', leaseDurationSeconds: 40 };
    await coordination.createNamespacedLease({ namespace, body: { metadata: { name: 'l' }, spec } });
    const body = { spec: { holderIdentity: 'b' } };
    const lease = await coordination.patchNamespacedLease({ namespace, name: 'l', body }, merge);
    that(lease.spec?.holderIdentity === 'b' && lease.spec.leaseDurationSeconds === 40, JSON.stringify(lease.spec));
  }),
  check('registers a node; without a kubelet it is not Ready', async ({ core }) => {
    await core.createNode({ body: { metadata: { name: NODE }, spec: { podCIDR: '10.250.0.0/24' } } });
    that(problemOf(await core.readNode({ name: NODE })) !== undefined, 'it is Ready');
    await core.patchNodeStatus(
      {
        name: NODE,
        body: { status: { conditions: [{ type: 'Ready', status: 'True', reason: 'Test', message: 't' }] } },
      },
      merge,
    );
    that(problemOf(await core.readNode({ name: NODE })) === undefined, 'the status was not taken');
  }),
  check('cordons and uncordons by a strategic merge patch', async (target) => {
    await setUnschedulable(asApi(target), NODE, true);
    that((await target.core.readNode({ name: NODE })).spec?.unschedulable === true, 'not cordoned');
    await setUnschedulable(asApi(target), NODE, false);
    that((await target.core.readNode({ name: NODE })).spec?.unschedulable === undefined, 'not uncordoned');
    that(
      (await target.core.readNode({ name: NODE })).spec?.podCIDR === '10.250.0.0/24',
      'the patch took more than it should',
    );
  }),
  check('prints nodes as a table', async ({ raw }) => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const table = JSON.parse((await raw('GET', '/api/v1/nodes', { accept })).body) as {
      kind: string;
      columnDefinitions: { name: string }[];
    };
    that(table.kind === 'Table', `kind is ${table.kind}`);
    const names = table.columnDefinitions.map((column) => column.name).slice(0, 5);
    that(names.join() === 'Name,Status,Roles,Age,Version', names.join());
  }),
  check('evicts a pod: it is being deleted, and found by its node', async (target) => {
    const { core, namespace } = target;
    await runningPod(target, 'free', { app: 'free' });
    await core.createNamespacedPodEviction({
      namespace,
      name: 'free',
      body: { metadata: { name: 'free', namespace } },
    });
    const { items } = await core.listPodForAllNamespaces({ fieldSelector: `spec.nodeName=${NODE}` });
    const pod = items.find((p) => p.metadata?.name === 'free');
    that(pod?.metadata?.deletionTimestamp !== undefined, 'it is not being deleted');
    await core.deleteNamespacedPod({ namespace, name: 'free', gracePeriodSeconds: 0 });
    that((await refusedWith(core.readNamespacedPod({ namespace, name: 'free' })))?.code === 404, 'it is still there');
  }),
  check('does not evict what a disruption budget keeps: 429 and the budget as cause', async (target) => {
    const { core, policy, namespace, kind } = target;
    await runningPod(target, 'kept', { app: 'kept' });
    const spec = { minAvailable: 1, selector: { matchLabels: { app: 'kept' } } };
    const made = await policy.createNamespacedPodDisruptionBudget({
      namespace,
      body: { metadata: { name: 'kept' }, spec },
    });
    // A bare API server has no disruption controller: what that would write is written here.
    const status = {
      observedGeneration: made.metadata?.generation ?? 1,
      disruptionsAllowed: 0,
      currentHealthy: 1,
      desiredHealthy: 1,
      expectedPods: 1,
    };
    if (kind === 'kube-apiserver')
      await policy.patchNamespacedPodDisruptionBudgetStatus({ namespace, name: 'kept', body: { status } }, merge);
    await eventually('the budget counts its pod', async () => {
      const { status: now } = await policy.readNamespacedPodDisruptionBudget({ namespace, name: 'kept' });
      return now?.expectedPods === 1 && now.disruptionsAllowed === 0;
    });
    const eviction = { namespace, name: 'kept', body: { metadata: { name: 'kept', namespace } } };
    const refused = await refusedWith(core.createNamespacedPodEviction(eviction));
    that(refused?.code === 429 && refused.body.includes('DisruptionBudget'), JSON.stringify(refused));
  }),
  check('is drained by Drover: budgets hold until the time is up', async (target) => {
    const options = { timeoutMs: 1_500, clock: systemClock, timers: systemTimers };
    const kept = await evictPods(asApi(target), NODE, options);
    that(
      kept.warnings.some((w) => w.includes('disruption budgets')),
      JSON.stringify(kept),
    );
    await target.policy.deleteNamespacedPodDisruptionBudget({ namespace: target.namespace, name: 'kept' });
    const { core, namespace } = target;
    // Nobody is there who would stop the container, so what was evicted is taken away as kubelet would.
    const kubelet = setInterval(
      () =>
        void core.readNamespacedPod({ namespace, name: 'kept' }).then(
          (pod) =>
            pod.metadata?.deletionTimestamp &&
            core.deleteNamespacedPod({ namespace, name: 'kept', gracePeriodSeconds: 0 }),
          () => undefined,
        ),
      300,
    );
    const drained = await evictPods(asApi(target), NODE, { ...options, timeoutMs: 30_000 }).finally(() =>
      clearInterval(kubelet),
    );
    that(drained.evicted === 1 && !drained.warnings.some((w) => w.includes('still running')), JSON.stringify(drained));
  }),
  check('gives a service account a token: it may what it is bound to, and nothing once it is gone', async (target) => {
    const { core, config, namespace, raw } = target;
    const rbac = config.makeApiClient(RbacAuthorizationV1Api);
    const name = `conformance-${namespace}`;
    await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
    const token = (expirationSeconds: number) =>
      core.createNamespacedServiceAccountToken({
        namespace,
        name,
        body: { spec: { audiences: [], expirationSeconds } },
      });
    that((await refusedWith(token(60)))?.code === 422, 'a token of one minute was made');
    const asked = Date.now();
    const { status } = await token(600);
    const ends = new Date(status?.expirationTimestamp ?? 0).getTime() - asked;
    that(Math.abs(ends - 600_000) < 60_000, `it ends in ${ends} ms`);
    const authorization = `Bearer ${status?.token ?? ''}`;
    const ask = async (path: string, user = authorization) =>
      (await raw('GET', path, { user: { authorization: user } })).status;
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    that((await ask(path)) === 403, 'it may without a binding');
    const [head, claims, signature] = authorization.split('.');
    const forged = Buffer.from(claims!, 'base64url')
      .toString('utf8')
      .replace(/"exp":\d+/, '"exp":99999999999');
    const bearer = [head, Buffer.from(forged).toString('base64url'), signature].join('.');
    that((await ask(path, bearer)) === 401, 'a token that was changed is taken');
    await rbac.createClusterRoleBinding({
      body: {
        metadata: { name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
        subjects: [{ kind: 'ServiceAccount', name, namespace }],
      },
    });
    await eventually('it may what it is bound to', async () => (await ask(path)) === 200, 10_000);
    await rbac.deleteClusterRoleBinding({ name });
    await eventually('it may nothing once the binding is gone', async () => (await ask(path)) === 403, 10_000);
    await core.deleteNamespacedServiceAccount({ namespace, name });
    // An API server remembers for 10 s whom it let in.
    await eventually('its token is refused once the account is gone', async () => (await ask(path)) === 401, 30_000);
    await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
    that((await ask(path)) === 401, 'a token of the former account of this name is taken');
    await core.deleteNamespacedServiceAccount({ namespace, name });
  }),
  check('forgets a node: Node and node password go, twice is no error', async (target) => {
    const secret = { metadata: { name: `${NODE}.node-password.k3s` }, stringData: { hash: 'x' } };
    await target.core.createNamespacedSecret({ namespace: 'kube-system', body: secret });
    const options = { boundMs: 5_000, clock: systemClock, timers: systemTimers };
    const left = await leaveCluster(asApi(target), NODE, options);
    that(left.nodeObject === 'deleted' && left.etcdMember === 'none', JSON.stringify(left));
    const again = await leaveCluster(asApi(target), NODE, options);
    that(again.nodeObject === 'absent' && again.nodePassword === 'absent', JSON.stringify(again));
  }),
];
