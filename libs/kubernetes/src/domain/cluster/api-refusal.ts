/** Its own API server answers the platform with 401 or 403, and goes on doing so: whoever administers the cluster took its rights. */
export interface ApiRefusal {
  readonly status: RefusedStatus;
  readonly reason: string;
  readonly nextAction: string;
}
export type RefusedStatus = 401 | 403;

const CHANGED: Readonly<Record<RefusedStatus, string>> = {
  401: 'the cluster’s CA, the end of its administrator’s certificate, or how its API server authenticates',
  403: 'the rights of system:masters (cluster role binding cluster-admin), or a webhook that authorizes',
};

/** `said` is a tenant's text, cleaned and bounded by who heard it. */
export const apiRefusalOf = (status: RefusedStatus, said: string): ApiRefusal => ({
  status,
  reason: `its Kubernetes API refuses the platform (${said}): its nodes are not watched there, and drains, upgrades and what else asks it cannot be done`,
  nextAction: `as root on one of its servers, k3s kubectl get nodes shows whether its own administrator is refused as well; put back what was changed: ${CHANGED[status]}. It is watched again by itself then`,
});
