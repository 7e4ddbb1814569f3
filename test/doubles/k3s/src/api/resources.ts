export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly subresources: readonly string[];
}

const type = (
  group: string,
  version: string,
  resource: string,
  kind: string,
  more: { cluster?: boolean; short?: string[]; sub?: string[] } = {},
): ResourceType => ({
  group,
  version,
  resource,
  kind,
  singular: kind.toLowerCase(),
  namespaced: more.cluster !== true,
  shortNames: more.short ?? [],
  subresources: more.sub ?? [],
});

/** What this API server serves. Types without a controller behind them are stored and listed, nothing more. */
export const resourceTypes: readonly ResourceType[] = [
  type('', 'v1', 'namespaces', 'Namespace', { cluster: true, short: ['ns'], sub: ['status'] }),
  type('', 'v1', 'nodes', 'Node', { cluster: true, short: ['no'], sub: ['status'] }),
  type('', 'v1', 'pods', 'Pod', { short: ['po'], sub: ['status', 'eviction', 'binding', 'log'] }),
  type('', 'v1', 'secrets', 'Secret'),
  type('', 'v1', 'configmaps', 'ConfigMap', { short: ['cm'] }),
  type('', 'v1', 'services', 'Service', { short: ['svc'], sub: ['status'] }),
  type('', 'v1', 'endpoints', 'Endpoints', { short: ['ep'] }),
  type('', 'v1', 'serviceaccounts', 'ServiceAccount', { short: ['sa'], sub: ['token'] }),
  type('', 'v1', 'events', 'Event', { short: ['ev'] }),
  type('', 'v1', 'persistentvolumeclaims', 'PersistentVolumeClaim', { short: ['pvc'], sub: ['status'] }),
  type('', 'v1', 'persistentvolumes', 'PersistentVolume', { cluster: true, short: ['pv'], sub: ['status'] }),
  type('', 'v1', 'replicationcontrollers', 'ReplicationController', { short: ['rc'], sub: ['status'] }),
  type('apps', 'v1', 'deployments', 'Deployment', { short: ['deploy'], sub: ['status'] }),
  type('apps', 'v1', 'replicasets', 'ReplicaSet', { short: ['rs'], sub: ['status'] }),
  type('apps', 'v1', 'daemonsets', 'DaemonSet', { short: ['ds'], sub: ['status'] }),
  type('apps', 'v1', 'statefulsets', 'StatefulSet', { short: ['sts'], sub: ['status'] }),
  type('batch', 'v1', 'jobs', 'Job', { sub: ['status'] }),
  type('coordination.k8s.io', 'v1', 'leases', 'Lease'),
  type('policy', 'v1', 'poddisruptionbudgets', 'PodDisruptionBudget', { short: ['pdb'], sub: ['status'] }),
  type('rbac.authorization.k8s.io', 'v1', 'clusterroles', 'ClusterRole', { cluster: true }),
  type('rbac.authorization.k8s.io', 'v1', 'clusterrolebindings', 'ClusterRoleBinding', { cluster: true }),
];

export const groupVersion = (t: ResourceType): string => (t.group === '' ? t.version : `${t.group}/${t.version}`);

/** The store key's prefix of a type, in a namespace or in all. */
export const prefixOf = (t: ResourceType, namespace?: string): string =>
  `/registry/${t.group === '' ? '' : `${t.group}/`}${t.resource}/${namespace === undefined ? '' : `${namespace}/`}`;
export const keyOf = (t: ResourceType, namespace: string | undefined, name: string): string =>
  `${prefixOf(t, t.namespaced ? namespace : undefined)}${name}`;

export const resourceNamed = (resource: string): ResourceType => resourceTypes.find((t) => t.resource === resource)!;

export interface ApiPath {
  readonly type: ResourceType;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** /api/v1/… and /apis/group/version/…; undefined when no type is served there. */
export const parsePath = (path: string): ApiPath | undefined => {
  const parts = path
    .split('/')
    .filter((p) => p !== '')
    .map(decodeURIComponent);
  const [root, ...rest] = parts;
  if (root !== 'api' && root !== 'apis') return undefined;
  const group = root === 'api' ? '' : (rest.shift() ?? '');
  const version = rest.shift();
  let namespace: string | undefined;
  if (rest[0] === 'namespaces' && rest.length > 2) [, namespace] = rest.splice(0, 2);
  const [resource, name, subresource, extra] = rest;
  const found = resourceTypes.find((t) => t.group === group && t.version === version && t.resource === resource);
  if (found === undefined || extra !== undefined) {
    // /namespaces/NAME/status is the one path in which `namespaces` is the type itself.
    if (group === '' && namespace !== undefined && resource === 'status')
      return { type: resourceNamed('namespaces'), namespace: undefined, name: namespace, subresource: 'status' };
    return undefined;
  }
  if (subresource !== undefined && !found.subresources.includes(subresource)) return undefined;
  if (namespace !== undefined && !found.namespaced) return undefined;
  if (name !== undefined && found.namespaced && namespace === undefined) return undefined;
  return { type: found, namespace, name, subresource };
};

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** APIResourceList of one group version. */
export const resourceList = (group: string, version: string): object | undefined => {
  const types = resourceTypes.filter((t) => t.group === group && t.version === version);
  if (types.length === 0) return undefined;
  const resources = types.flatMap((t) => [
    {
      name: t.resource,
      singularName: t.singular,
      namespaced: t.namespaced,
      kind: t.kind,
      verbs,
      ...(t.shortNames.length > 0 ? { shortNames: t.shortNames } : {}),
    },
    ...t.subresources.map((sub) =>
      sub === 'token'
        ? {
            name: `${t.resource}/token`,
            singularName: '',
            namespaced: true,
            group: 'authentication.k8s.io',
            version: 'v1',
            kind: 'TokenRequest',
            verbs: ['create'],
          }
        : sub === 'eviction'
          ? {
              name: `${t.resource}/eviction`,
              singularName: '',
              namespaced: true,
              group: 'policy',
              version: 'v1',
              kind: 'Eviction',
              verbs: ['create'],
            }
          : {
              name: `${t.resource}/${sub}`,
              singularName: '',
              namespaced: t.namespaced,
              kind: t.kind,
              verbs: ['get', 'patch', 'update'],
            },
    ),
  ]);
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources,
  };
};

export const groupList = (): object => {
  const groups = [...new Set(resourceTypes.map((t) => t.group).filter((g) => g !== ''))];
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: groups.map((name) => {
      const version = { groupVersion: `${name}/v1`, version: 'v1' };
      return { name, versions: [version], preferredVersion: version };
    }),
  };
};
