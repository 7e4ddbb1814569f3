/** Roles that every Kubernetes cluster has from the start. */
export const KUBECONFIG_ROLES = ['view', 'edit', 'admin', 'cluster-admin'] as const;
export type KubeconfigRole = (typeof KUBECONFIG_ROLES)[number];
