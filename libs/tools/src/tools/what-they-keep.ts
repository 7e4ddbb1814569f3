import { expandScopes, permits, type OperatorTokenState } from '#access';

const OF_THE_CLUSTER =
  'kubeconfigs issued to them (kubernetes_issue_kubeconfig) are taken back as soon as their clusters can be reached; one that they read ' +
  'with kubernetes_get_kubeconfig holds a client certificate of the cluster, which Kubernetes cannot revoke: it opens the cluster until it ' +
  'expires, from where its API can be reached, unless the cluster’s CA is replaced (k3s certificate rotate-ca)';

const OF_DOCKER =
  'a client certificate for Docker that was issued to them (system_issue_docker_client) cannot be revoked: whoever has its key is root on ' +
  'every Docker host of the account, from where its daemon can be reached, until it ends, at most 24 hours after it was issued';

const KEPT = [
  // Reading a kubeconfig leaves no event: who could is who may have.
  { permission: 'system.kubernetes_provision', warning: OF_THE_CLUSTER },
  { permission: 'system.docker_provision', warning: OF_DOCKER },
] as const;

/** What opens something still for an operator who is disabled, and cannot be taken back; by what their tokens could do. */
export const whatTheyKeep = (tokens: readonly Pick<OperatorTokenState, 'permissions'>[]): string[] =>
  KEPT.filter(({ permission }) => tokens.some((t) => permits(expandScopes(t.permissions), permission))).map(
    ({ warning }) => warning,
  );
