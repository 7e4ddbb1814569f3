import { stringify } from 'yaml';
import type { KubeconfigRole } from '../../domain/kubeconfigs/roles.js';
import type { KubeApi } from '../kube-api.js';
import { found } from '../leave-cluster.js';

/** Who may make tokens of what is in here is an administrator of the cluster already. */
const namespace = 'kube-system';
const LABELS = { 'app.kubernetes.io/managed-by': 'drover' };

export interface Grant {
  readonly serviceAccount: string;
  readonly role: KubeconfigRole;
  readonly ttlSeconds: number;
}

/** A token of a service account is a JSON web token of some 1,000 characters; it ends in a file on an operator's machine. */
const BEARER = /^[\w.~+/=-]{1,16384}$/;

const rbac = async ({ config }: KubeApi) => {
  const { RbacAuthorizationV1Api } = await import('@kubernetes/client-node');
  return config.makeApiClient(RbacAuthorizationV1Api);
};

/** There already: an approved call that is made again after a crash. */
const made = (call: Promise<unknown>): Promise<unknown> =>
  call.catch((error: unknown) => {
    if ((error as { code?: unknown }).code !== 409) throw error;
  });

/** A service account of its own for each issue, so that one can be taken back without the others. */
export const grantAccess = async (
  api: KubeApi,
  { serviceAccount: name, role, ttlSeconds }: Grant,
): Promise<{ readonly bearer: string; readonly expiresAtMs: number }> => {
  const metadata = { name, labels: LABELS };
  const account = { metadata, automountServiceAccountToken: false };
  await made(api.core.createNamespacedServiceAccount({ namespace, body: account }));
  const binding = (await rbac(api)).createClusterRoleBinding({
    body: {
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
  });
  await made(binding);
  const spec = { audiences: [], expirationSeconds: ttlSeconds };
  const { status } = await api.core.createNamespacedServiceAccountToken({ namespace, name, body: { spec } });
  const { token: bearer, expirationTimestamp } = status ?? {};
  if (bearer === undefined || expirationTimestamp === undefined) throw new Error('the answer holds no token');
  if (!BEARER.test(bearer)) throw new Error('what the answer holds as token cannot be one');
  return { bearer, expiresAtMs: new Date(expirationTimestamp).getTime() };
};

/**
 * The binding goes first: an API server may take a token for some 10 s more after its account is gone, but it may do nothing
 * from the moment at which its binding is. Safe to repeat.
 */
export const withdrawAccess = async (api: KubeApi, name: string): Promise<void> => {
  await found((await rbac(api)).deleteClusterRoleBinding({ name }));
  await found(api.core.deleteNamespacedServiceAccount({ namespace, name }));
};

export const kubeconfigWith = (cluster: { name: string; caPem: string; server: string }, bearer: string): string => {
  const { name, caPem, server } = cluster;
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name, cluster: { server, 'certificate-authority-data': Buffer.from(caPem, 'utf8').toString('base64') } },
    ],
    users: [{ name: 'drover', user: { token: bearer } }],
    contexts: [{ name, context: { cluster: name, user: 'drover' } }],
    'current-context': name,
  });
};
