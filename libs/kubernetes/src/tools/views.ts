import { statusOfState, type Aspect } from '#tools';
import { slugOf } from '../domain/join-target.js';
import {
  clusterBoundSeconds,
  clusterNext,
  deadlineOf,
  migrationNext,
  nodeBoundSeconds,
  nodeNext,
} from '../domain/cluster/outlook.js';
import { clusterOfDoc, clusterWarnings, toleranceOf, type ClusterDoc } from '../projections/clusters.js';
import type { ClusterOutput } from './definitions.js';

export const nodeOutput = (node: ClusterDoc['nodes'][number], doc: ClusterDoc) => ({
  instance_id: node.instanceId,
  name: node.nodeName,
  role: node.role === 'server' ? ('control-plane' as const) : ('worker' as const),
  status: node.status,
  version: node.version,
  deadline: deadlineOf(node, nodeBoundSeconds(node.status, doc.policy)),
  last_error: node.lastError ?? null,
  next_action: nodeNext(node.status, doc.policy, clusterOfDoc(doc)),
});

const migrationOutput = (migration: NonNullable<ClusterDoc['migration']>) => ({
  state: migration.state,
  pod_cidr: migration.podCidr,
  done: migration.done.length,
  total: migration.total,
  current_instance_id: migration.current,
  pending_instance_ids: [...migration.pending],
  reason: migration.reason,
  next_action: migrationNext(migration),
});

/** Said only where there are some: nobody waits for strangers. */
const strangersAspect = ({ strangers, status }: ClusterDoc): Aspect[] =>
  strangers == null || status === 'decommissioned'
    ? []
    : [{ type: 'Strangers', holds: true, reason: 'NodesWithoutMembership', message: strangers.reason }];

/** As rare as these. */
const accessAspect = ({ apiRefused, status }: ClusterDoc): Aspect[] =>
  apiRefused == null || status === 'decommissioned'
    ? []
    : [
        {
          type: 'ApiRefused',
          holds: true,
          reason: apiRefused.status === 401 ? 'Unauthorized' : 'Forbidden',
          message: apiRefused.reason,
        },
      ];

export const clusterOutput = (doc: ClusterDoc): ClusterOutput => ({
  id: doc.id,
  name: doc.name,
  slug: slugOf(doc.name),
  flavor: 'k3s',
  status: doc.status,
  api_endpoint: doc.apiEndpoint,
  failover: doc.failover,
  fault_tolerance: toleranceOf(doc),
  node_count: doc.nodes.length,
  k8s_version: doc.version,
  cni_plugin: doc.cniPlugin,
  pod_cidr: doc.podCidr,
  network_id: doc.networkId,
  virtual_ip_id: doc.virtualIpId,
  has_kubeconfig: doc.kubeconfigRef !== null && doc.status !== 'decommissioned',
  datastore: doc.datastore,
  created_at: doc.createdAt,
  deadline: deadlineOf(doc, clusterBoundSeconds(doc.status, doc.policy)),
  last_error: doc.lastError,
  next_action: clusterNext(clusterOfDoc(doc)),
  pod_network_migration: doc.migration === null ? null : migrationOutput(doc.migration),
  lifecycle_policy: doc.policy,
  warnings: clusterWarnings(doc),
  ...statusOfState({
    state: doc.status,
    ready: ['active', 'degraded'],
    progressing: ['bootstrapping'],
    degraded: ['degraded'],
    resting: ['decommissioned'],
    error: doc.lastError,
    generation: doc.wanted.generation,
    observedGeneration: doc.wanted.observed,
    also: [...accessAspect(doc), ...strangersAspect(doc)],
  }),
});
