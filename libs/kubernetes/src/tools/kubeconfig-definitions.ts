import { z } from 'zod';
import { defineTool, resourceStatus } from '#tools';
import { KUBECONFIG_ROLES } from '../domain/kubeconfigs/roles.js';

const clusterId = z.string().min(1).max(200).describe('Cluster id, slug or name');
const byCluster = { id: 'cluster_id', name: 'cluster_id' };
const issueId = z.string().min(1).max(100).describe('As kubernetes_list_kubeconfigs shows it');

const issued = z.object({
  id: z.string(),
  cluster_id: z.string(),
  operator: z.string().describe('Who asked for it'),
  role: z.enum(KUBECONFIG_ROLES),
  service_account: z.string().describe('In the namespace kube-system of the cluster'),
  status: z.enum(['active', 'expired', 'revoked']),
  issued_at: z.string(),
  expires_at: z.string(),
  revoked_at: z.string().nullable().describe('Since when nothing of it is left in the cluster'),
  reason: z.enum(['revoked', 'expired', 'issue_failed', 'cluster_decommissioned', 'operator_disabled']).nullable(),
  ...resourceStatus,
});
export type IssuedOutput = z.input<typeof issued>;

export const issueKubeconfig = defineTool({
  name: 'kubernetes_issue_kubeconfig',
  group: 'kubernetes',
  summary: 'Issue a kubeconfig of your own that ends by itself.',
  description:
    'A service account of its own in the cluster, bound to one of Kubernetes’ roles for all namespaces, and a token of it that ends ' +
    'after ttl_seconds (600 to 86400). The server is the cluster’s virtual IP: kubectl needs SDWAN access. The kubeconfig is shown ' +
    'once and kept nowhere; it is null when the same call is repeated. kubernetes_revoke_kubeconfig takes it back at once. ' +
    'It is taken back, too, when its operator is disabled. With edit and more, Kubernetes lets its holder make tokens of service accounts that may do more.',
  input: z.object({
    cluster_id: clusterId,
    ttl_seconds: z.number().int().min(600).max(86_400).default(3_600),
    role: z.enum(KUBECONFIG_ROLES).default('view'),
  }),
  output: z.object({
    issue_id: z.string(),
    cluster_id: z.string(),
    role: z.enum(KUBECONFIG_ROLES),
    api_endpoint: z.string(),
    expires_at: z.string(),
    kubeconfig: z.string().nullable().describe('A credential: keep it in a file with mode 0600'),
  }),
  permission: 'system.kubernetes_provision',
  danger: 'change',
  aliases: byCluster,
  examples: [
    { title: 'To look around for an hour', arguments: { cluster_id: 'k3s-cluster-1' } },
    { title: 'For a deployment', arguments: { cluster_id: 'k3s-cluster-1', role: 'edit', ttl_seconds: 900 } },
  ],
  cli: ['kubeconfig', 'issue'],
});

export const listKubeconfigs = defineTool({
  name: 'kubernetes_list_kubeconfigs',
  group: 'kubernetes',
  summary: 'List the kubeconfigs that were issued.',
  description:
    'The newest first, without their secrets, which are kept nowhere. Those that ended only with include_ended.',
  input: z.object({
    cluster_id: clusterId.optional(),
    include_ended: z.boolean().default(false),
    limit: z.number().int().min(1).max(200).default(50),
  }),
  output: z.object({ kubeconfigs: z.array(issued) }),
  permission: 'system.kubernetes.read',
  danger: 'read',
  aliases: byCluster,
  examples: [{ title: 'Who has access now', arguments: { cluster_id: 'k3s-cluster-1' } }],
  cli: ['kubeconfig', 'list'],
});

export const revokeKubeconfig = defineTool({
  name: 'kubernetes_revoke_kubeconfig',
  group: 'kubernetes',
  summary: 'Take an issued kubeconfig back.',
  description:
    'Deletes its binding and its service account in the cluster, through a server’s agent: from then on its token may do nothing. ' +
    '503 while no server can be reached: it is still in force then, until it expires. Another can be issued at any time.',
  input: z.object({ issue_id: issueId }),
  output: z.object({ revoked: z.boolean(), kubeconfig: issued }),
  permission: 'system.kubernetes_provision',
  danger: 'change',
  aliases: { id: 'issue_id' },
  examples: [{ title: 'It leaked', arguments: { issue_id: 'kubeconfig-1f0a3f6d-7b11-4c5d-8e6f-0a1b2c3d4e5f' } }],
  cli: ['kubeconfig', 'revoke'],
});

export const kubeconfigTools = [issueKubeconfig, listKubeconfigs, revokeKubeconfig] as const;
