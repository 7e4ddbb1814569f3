import { expandScopes, permits, type OperatorTokenState } from '#access';

const OF_THE_CLUSTER =
  'kubeconfigs issued to them (kubernetes_issue_kubeconfig) are taken back as soon as their clusters can be reached; one that they read ' +
  'with kubernetes_get_kubeconfig holds a client certificate of the cluster, which Kubernetes cannot revoke: it opens the cluster until it ' +
  'expires, from where its API can be reached, unless the cluster’s CA is replaced (k3s certificate rotate-ca)';

const OF_DOCKER =
  'a client certificate for Docker that was issued to them (system_issue_docker_client) cannot be revoked: whoever has its key is root on ' +
  'every Docker host of the account, from where its daemon can be reached, until it ends, at most 24 hours after it was issued';

const OF_JOINING =
  'a join token that they made within the last 15 minutes still lets one machine in: system_list_instances shows which are there that ' +
  'should not be, system_terminate_instance puts one out';

const OF_WEBHOOKS =
  'webhooks belong to the account and go on: look whether each that system_list_webhooks shows sends the account’s events to where it should';

const OF_OPERATORS =
  'operators that they made, and tokens that they issued to others, open what they did: recent_events with kind_prefix system.operator ' +
  'names who made each, system_list_tokens shows those that are active';

const KEPT = [
  // Reading a kubeconfig leaves no event: who could is who may have.
  { permission: 'system.kubernetes_provision', warning: OF_THE_CLUSTER },
  { permission: 'system.docker_provision', warning: OF_DOCKER },
  { permission: 'system.nodes.write', warning: OF_JOINING },
  { permission: 'system.webhooks.write', warning: OF_WEBHOOKS },
  { permission: 'system.operators.write', warning: OF_OPERATORS },
] as const;

/** What opens something still for an operator who is disabled, or was left behind by them; by what their tokens could do. */
export const whatTheyKeep = (tokens: readonly Pick<OperatorTokenState, 'permissions'>[]): string[] =>
  KEPT.filter(({ permission }) => tokens.some((t) => permits(expandScopes(t.permissions), permission))).map(
    ({ warning }) => warning,
  );
