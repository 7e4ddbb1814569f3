import type { Store } from '../store.js';
import { prefixOf, resourceNamed, type ApiPath } from './resources.js';

interface Binding {
  readonly roleRef?: { readonly kind?: string; readonly name?: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
}

const READ = ['get', 'list', 'watch'];
const WORKLOADS = ['pods', 'configmaps', 'services', 'persistentvolumeclaims', 'replicationcontrollers'];
const APPS = ['deployments', 'replicasets', 'daemonsets', 'statefulsets', 'jobs', 'poddisruptionbudgets'];
const VIEWED = [...WORKLOADS, ...APPS, 'endpoints', 'events', 'namespaces', 'serviceaccounts'];
const EDITED = [...WORKLOADS, ...APPS, 'secrets', 'serviceaccounts'];

/** What the roles that every cluster starts with allow, of the types that are served here. */
const allows = (role: string, verb: string, { type, subresource }: ApiPath): boolean => {
  const { resource } = type;
  switch (role) {
    case 'cluster-admin':
      return true;
    case 'view':
      return READ.includes(verb) && VIEWED.includes(resource);
    case 'edit':
    case 'admin':
      if (READ.includes(verb)) return VIEWED.includes(resource) || EDITED.includes(resource);
      return EDITED.includes(resource) && subresource !== 'status' && subresource !== 'binding';
    default:
      return false; // ClusterRoles of one's own are stored, and mean nothing here
  }
};

/** RBAC for service accounts: ClusterRoleBindings to the built-in roles. */
export const permitted = (store: Store, user: string, verb: string, path: ApiPath): boolean =>
  store.list(prefixOf(resourceNamed('clusterrolebindings'))).some((object) => {
    const { roleRef, subjects = [] } = object as unknown as Binding;
    const names = subjects.some(
      ({ kind, name, namespace }) =>
        kind === 'ServiceAccount' && user === `system:serviceaccount:${namespace ?? ''}:${name}`,
    );
    return names && roleRef?.kind === 'ClusterRole' && allows(roleRef.name ?? '', verb, path);
  });
