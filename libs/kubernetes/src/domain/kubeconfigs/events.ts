import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';
import { KUBECONFIG_ROLES } from './roles.js';

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
  z.object({
    ...about,
    reason: z.enum(['revoked', 'expired', 'issue_failed', 'cluster_decommissioned', 'operator_disabled']),
  }),
);
/** Who asked for it works here no more: it has to go before its time, as soon as the cluster can be reached. */
export const KubeconfigWithdrawalOrdered = defineEvent(
  'system.k3s.kubeconfig.withdrawal_ordered',
  1,
  z.object({ ...about, reason: z.enum(['operator_disabled']) }),
  { severity: 'warning' },
);

const said = { reason: z.string().max(300), next_action: z.string() };
/** Its cluster's API answers that it will not do it, and went on saying so: an approved call ends here. */
export const KubeconfigIssueFailed = defineEvent(
  'system.k3s.kubeconfig.issue_failed',
  1,
  z.object({ ...about, ...said }),
  { severity: 'warning' },
);
/** Its cluster's API answers that it will not take it back. Once; it is tried again, more and more seldom. */
export const KubeconfigWithdrawalStuck = defineEvent(
  'system.k3s.kubeconfig.withdrawal_stuck',
  1,
  z.object({ ...about, ...said }),
  { severity: 'warning' },
);

export const kubeconfigEvents = [
  ...[KubeconfigIssued, KubeconfigRevoked, KubeconfigWithdrawalOrdered],
  ...[KubeconfigIssueFailed, KubeconfigWithdrawalStuck],
] as const;
