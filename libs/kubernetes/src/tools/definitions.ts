import { z } from 'zod';
import { defineTool, resourceStatus } from '#tools';
import { lifecyclePolicyFields } from '../domain/cluster/policy.js';
import { kubeconfigTools } from './kubeconfig-definitions.js';
import { snapshotTools } from './snapshot-definitions.js';
import { upgradeTools } from './upgrade-definitions.js';

// One by one as well: the reference is made from what stands here by name.
export * from './kubeconfig-definitions.js';
export * from './snapshot-definitions.js';
export * from './upgrade-definitions.js';

const clusterId = z.string().min(1).max(200).describe('Cluster id, slug or name');

const deadline = z.object({ state: z.string(), since: z.string(), at: z.string(), overdue: z.boolean() }).nullable();
const migration = z.object({
  state: z.enum(['running', 'paused', 'completed']),
  pod_cidr: z.string(),
  done: z.number().int(),
  total: z.number().int(),
  current_instance_id: z.string().nullable(),
  pending_instance_ids: z.array(z.string()),
  reason: z.string().nullable(),
  next_action: z.string().nullable(),
});
const lifecyclePolicy = z.object(lifecyclePolicyFields).required();

const cluster = z.object({
  id: z.string(),
  name: z.string(),
  slug: z.string(),
  flavor: z.literal('k3s'),
  status: z.enum(['bootstrapping', 'active', 'degraded', 'decommissioned']),
  api_endpoint: z.string().nullable(),
  failover: z.enum(['vip', 'none']),
  fault_tolerance: z.number().int().describe('Servers that may be lost before the API is gone'),
  node_count: z.number().int(),
  k8s_version: z.string().nullable(),
  cni_plugin: z.enum(['flannel', 'ovn_kubernetes']),
  pod_cidr: z.string().nullable(),
  network_id: z.string().nullable(),
  virtual_ip_id: z.string().nullable(),
  has_kubeconfig: z.boolean(),
  datastore: z.enum(['etcd', 'external']),
  created_at: z.string(),
  deadline: deadline.describe('Until when it should have left its present state'),
  last_error: z.string().nullable(),
  next_action: z.string().nullable(),
  pod_network_migration: migration.nullable(),
  lifecycle_policy: lifecyclePolicy,
  warnings: z.array(z.string()),
  ...resourceStatus,
});
export type ClusterOutput = z.input<typeof cluster>;

export const listClusters = defineTool({
  name: 'kubernetes_list_clusters',
  group: 'kubernetes',
  summary: 'List the clusters of the account.',
  description:
    'Clusters with status, API endpoint and node count. Decommissioned ones only with include_decommissioned.',
  input: z.object({
    include_decommissioned: z.boolean().default(false),
    limit: z.number().int().min(1).max(200).default(50),
    cursor: z.string().optional(),
  }),
  output: z.object({ clusters: z.array(cluster), next_cursor: z.string().nullable() }),
  permission: 'system.kubernetes.read',
  danger: 'read',
  examples: [{ title: 'All clusters', arguments: {} }],
  cli: ['cluster', 'list'],
});

export const getCluster = defineTool({
  name: 'kubernetes_get_cluster',
  group: 'kubernetes',
  summary: 'Show one cluster.',
  description: 'One cluster by id, slug or name, with its nodes, its fault tolerance and what to worry about.',
  input: z.object({ cluster_id: clusterId }),
  output: z.object({ cluster }),
  permission: 'system.kubernetes.read',
  danger: 'read',
  aliases: { id: 'cluster_id', name: 'cluster_id' },
  examples: [{ title: 'One cluster', arguments: { cluster_id: 'k3s-cluster-1' } }],
  cli: ['cluster', 'get'],
});

export const listNodes = defineTool({
  name: 'kubernetes_list_nodes',
  group: 'kubernetes',
  summary: 'List the nodes of a cluster.',
  description: 'Control-plane nodes and workers of one cluster with status and Kubernetes version.',
  input: z.object({ cluster_id: clusterId }),
  output: z.object({
    nodes: z.array(
      z.object({
        instance_id: z.string(),
        name: z.string().nullable(),
        role: z.enum(['control-plane', 'worker']),
        status: z.enum(['joining', 'ready', 'not_ready', 'draining', 'orphaned']),
        version: z.string().nullable(),
        certificates_end: z
          .string()
          .nullable()
          .optional()
          .describe(
            'When the first of its K3s certificates ends; null: not heard within a minute. Not told of the past',
          ),
        binary_digest: z
          .string()
          .nullable()
          .optional()
          .describe('Hex sha256 of the k3s program on the node; null: not heard within a minute'),
        wanted_digest: z
          .string()
          .nullable()
          .optional()
          .describe('Of the version that it is to run; null: whatever is on the node'),
        deadline,
        last_error: z.string().nullable(),
        next_action: z.string().nullable(),
      }),
    ),
  }),
  permission: 'system.kubernetes.read',
  danger: 'read',
  aliases: { id: 'cluster_id', name: 'cluster_id' },
  examples: [{ title: 'Servers and workers', arguments: { cluster_id: 'k3s-cluster-1' } }],
  cli: ['cluster', 'nodes'],
});

export const getKubeconfig = defineTool({
  name: 'kubernetes_get_kubeconfig',
  group: 'kubernetes',
  summary: 'Get the kubeconfig of a cluster.',
  description:
    'The administrator kubeconfig, with the cluster’s endpoint as server. It is a credential: keep it in a file with mode 0600. ' +
    'kubectl needs SDWAN access from where it runs (system_sdwan_create_access_grant). 422 while the cluster is bootstrapping.',
  input: z.object({ cluster_id: clusterId }),
  output: z.object({ cluster_id: z.string(), kubeconfig: z.string(), api_endpoint: z.string() }),
  permission: 'system.kubernetes_provision',
  danger: 'read',
  aliases: { id: 'cluster_id', name: 'cluster_id' },
  examples: [{ title: 'For kubectl', arguments: { cluster_id: 'k3s-cluster-1' } }],
  cli: ['cluster', 'kubeconfig'],
});

export const decommissionCluster = defineTool({
  name: 'kubernetes_decommission_cluster',
  group: 'kubernetes',
  summary: 'Take a cluster out of service.',
  description:
    'Removes the cluster’s nodes, releases its VIP, shreds its secrets and stops K3s by suspending the assignments until ' +
    'they are assigned again. The instances themselves are not terminated. Cannot be undone.',
  input: z.object({ cluster_id: clusterId }),
  output: z.object({ decommissioned: z.boolean(), cluster_id: z.string(), freed_node_count: z.number().int() }),
  permission: 'system.kubernetes_provision',
  danger: 'destroy',
  aliases: { id: 'cluster_id', name: 'cluster_id' },
  examples: [{ title: 'For good', arguments: { cluster_id: 'k3s-cluster-1' } }],
  cli: ['cluster', 'decommission'],
});

export const setLifecyclePolicy = defineTool({
  name: 'kubernetes_set_lifecycle_policy',
  group: 'kubernetes',
  summary: 'Say when something in a cluster counts as stuck, and what happens then.',
  description:
    'Deadlines in seconds for a bootstrap, a lost first server, a degraded cluster, joins, nodes that are not ready, drains, ' +
    'orphans and each node of a pod network migration; and what follows: a stuck bootstrap moves to another server or is ' +
    'reported only, a stuck join is reported or removed so that it starts over, an orphan is reaped or reported. What is not ' +
    'given stays as it is; kubernetes_get_cluster shows what holds.',
  input: z.object({ cluster_id: clusterId, ...lifecyclePolicyFields }),
  output: z.object({ cluster }),
  permission: 'system.kubernetes_provision',
  danger: 'change',
  aliases: { id: 'cluster_id', name: 'cluster_id' },
  examples: [{ title: 'Joins may take ten minutes', arguments: { cluster_id: 'k3s-cluster-1', join_seconds: 600 } }],
  cli: ['cluster', 'set-lifecycle-policy'],
});

export const resumeMigration = defineTool({
  name: 'kubernetes_resume_pod_network_migration',
  group: 'kubernetes',
  summary: 'Go on with a paused migration of a pod network.',
  description:
    'A migration (system_sdwan_update_network with pod_subnet_prefix) moves one node after the other and pauses when a node is ' +
    'not healthy in time; kubernetes_get_cluster says which and why. Refused unless it is paused.',
  input: z.object({ cluster_id: clusterId }),
  output: z.object({ cluster }),
  permission: 'system.kubernetes_provision',
  danger: 'change',
  aliases: { id: 'cluster_id', name: 'cluster_id' },
  examples: [{ title: 'The node is well again', arguments: { cluster_id: 'k3s-cluster-1' } }],
  cli: ['cluster', 'resume-migration'],
});

export const kubernetesTools = [
  listClusters,
  getCluster,
  listNodes,
  getKubeconfig,
  decommissionCluster,
  setLifecyclePolicy,
  resumeMigration,
  ...upgradeTools,
  ...snapshotTools,
  ...kubeconfigTools,
] as const;
