import { z } from 'zod';
import { defineTool } from '#tools';
import { upgradeTools } from './upgrade-definitions.js';

const clusterId = z.string().min(1).max(200).describe('Cluster id, slug or name');

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
  created_at: z.string(),
  warnings: z.array(z.string()),
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
      }),
    ),
  }),
  permission: 'system.kubernetes.read',
  danger: 'read',
  aliases: { id: 'cluster_id', name: 'cluster_id' },
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
  cli: ['cluster', 'decommission'],
});

export const kubernetesTools = [
  listClusters,
  getCluster,
  listNodes,
  getKubeconfig,
  decommissionCluster,
  ...upgradeTools,
] as const;
