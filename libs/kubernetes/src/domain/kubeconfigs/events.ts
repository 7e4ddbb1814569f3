import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

/** Roles that every Kubernetes cluster has from the start. */
export const KUBECONFIG_ROLES = ['view', 'edit', 'admin', 'cluster-admin'] as const;
export type KubeconfigRole = (typeof KUBECONFIG_ROLES)[number];

const about = {
  issue_id: z.string(),
  cluster_id: idSchema('cluster'),
  operator: z.string(),
  role: z.enum(KUBECONFIG_ROLES),
};

/** Recorded before anything is made in the cluster, so that whatever becomes of the call, somebody cleans up after it. */
export const KubeconfigIssued = defineEvent(
  'system.k3s.kubeconfig.issued',
  1,
  z.object({ ...about, service_account: z.string(), expires_at: z.string() }),
);
/** Its service account is gone from the cluster, and with it every token of it. */
export const KubeconfigRevoked = defineEvent(
  'system.k3s.kubeconfig.revoked',
  1,
  z.object({ ...about, reason: z.enum(['revoked', 'expired', 'issue_failed', 'cluster_decommissioned']) }),
);

export const kubeconfigEvents = [KubeconfigIssued, KubeconfigRevoked] as const;
