import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';
import { accessEvents } from './access-events.js';
import { lifecyclePolicyFields } from './policy.js';

const cluster_id = idSchema('cluster');
const instance_id = idSchema('instance');
const role = z.enum(['server', 'agent']);

/** One instance of an assignment won the right to run --cluster-init; appended before any install starts. */
export const ClusterClaimed = defineEvent(
  'system.cluster.claimed',
  1,
  z.object({
    cluster_id,
    name: z.string(),
    assignment_id: z.uuid(),
    template_id: idSchema('template'),
    claimant_instance_id: instance_id,
    network_id: idSchema('sdwan_network').nullable(),
    virtual_ip_id: idSchema('virtual_ip').nullable(),
    vip: z.string().nullable(),
    cni_plugin: z.enum(['flannel', 'ovn_kubernetes']),
    pod_cidr: z.string().nullable(),
    /** `external` is an SQL database that any number of servers share. Absent in older events: embedded etcd. */
    datastore: z.enum(['etcd', 'external']).optional(),
    /** Where the secret store keeps the endpoint; the endpoint itself is in no event. */
    datastore_ref: z.string().nullable().optional(),
    /** External datastores only: every server has to start with the same token, whichever comes first. */
    server_token_ref: z.string().nullable().optional(),
  }),
);
/** The claimant was lost before it bootstrapped; another server instance takes its place. */
export const ClusterClaimMoved = defineEvent(
  'system.cluster.claim_moved',
  1,
  z.object({ cluster_id, from_instance_id: instance_id, to_instance_id: instance_id, reason: z.string() }),
  { severity: 'warning' },
);
export const HandshakeBootstrap = defineEvent(
  'system.k3s.handshake.bootstrap',
  1,
  z.object({
    cluster_id,
    instance_id,
    k8s_version: z.string(),
    /** References into the secret store; the secrets themselves are in no event. */
    kubeconfig_ref: z.string(),
    kubeconfig_digest: z.string(),
    server_token_ref: z.string(),
    ca_pem: z.string(),
  }),
);
export const ClusterBootstrapped = defineEvent(
  'system.k3s.cluster.bootstrapped',
  1,
  z.object({ cluster_id, name: z.string(), api_endpoint: z.string(), failover: z.enum(['vip', 'none']) }),
);
export const HandshakeJoinRequest = defineEvent(
  'system.k3s.handshake.join_request',
  1,
  z.object({ cluster_id, instance_id, role, target_cluster_id: z.string().nullable() }),
);
export const HandshakeJoinTokenIssued = defineEvent(
  'system.k3s.handshake.join_token_issued',
  1,
  z.object({ cluster_id, instance_id, role, token_id: z.string(), expires_at: z.iso.datetime().nullable() }),
);
export const HandshakeReady = defineEvent(
  'system.k3s.handshake.ready',
  1,
  z.object({ cluster_id, instance_id, role, version: z.string(), node_name: z.string() }),
);
export const HandshakeStopped = defineEvent(
  'system.k3s.handshake.stopped',
  1,
  z.object({ cluster_id, instance_id, role }),
);
/** On the instance's stream: there may be no cluster that it could be about. */
export const HandshakeJoinRefused = defineEvent(
  'system.k3s.handshake.join_refused',
  1,
  z.object({
    instance_id,
    code: z.string(),
    message: z.string(),
    target_cluster_id: z.string().nullable(),
    candidates: z.array(z.string()),
  }),
  { severity: 'high' },
);
export const NodeNotReady = defineEvent(
  'system.k3s.node.not_ready',
  1,
  z.object({ cluster_id, instance_id, reason: z.string() }),
  { severity: 'warning' },
);
export const NodeReadyAgain = defineEvent('system.k3s.node.ready', 1, z.object({ cluster_id, instance_id }));
export const NodeDraining = defineEvent('system.k3s.node.draining', 1, z.object({ cluster_id, instance_id }));
export const NodeUncordoned = defineEvent('system.k3s.node.uncordoned', 1, z.object({ cluster_id, instance_id }));
export const NodeRemoved = defineEvent(
  'system.k3s.node.removed',
  1,
  z.object({ cluster_id, instance_id, reason: z.string() }),
);
export const ClusterDegraded = defineEvent(
  'system.k3s.cluster.degraded',
  1,
  z.object({ cluster_id, reason: z.string() }),
  { severity: 'high' },
);
export const ClusterRecovered = defineEvent('system.k3s.cluster.recovered', 1, z.object({ cluster_id }));
export const ClusterDecommissioned = defineEvent(
  'system.k3s.cluster.decommissioned',
  1,
  z.object({ cluster_id, name: z.string(), freed_instances: z.array(instance_id) }),
  { severity: 'warning', ends: 'cluster_id' },
);
export const PodSubnetPrefixIgnored = defineEvent(
  'system.cluster_bootstrap.pod_subnet_prefix_ignored',
  1,
  z.object({ cluster_id, network_id: idSchema('sdwan_network'), pod_subnet_prefix: z.string() }),
  { severity: 'warning' },
);

const overdue = {
  state: z.string(),
  since: z.iso.datetime(),
  bound_seconds: z.number().int(),
  reason: z.string(),
  next_action: z.string(),
};
/** A state lasted longer than it should. Once per stay; leaving the state clears it. */
export const ClusterOverdue = defineEvent('system.k3s.cluster.overdue', 1, z.object({ cluster_id, ...overdue }), {
  severity: 'high',
});
export const NodeOverdue = defineEvent(
  'system.k3s.node.overdue',
  1,
  z.object({ cluster_id, instance_id, ...overdue }),
  {
    severity: 'high',
  },
);
/** Nothing on the platform's side belongs to this cluster node any more; it is reaped when its deadline passes. */
export const NodeOrphaned = defineEvent(
  'system.k3s.node.orphaned',
  1,
  z.object({ cluster_id, instance_id, reason: z.string(), next_action: z.string().optional() }),
  { severity: 'warning' },
);
export const NodeOrphanReaped = defineEvent(
  'system.k3s.node.orphan_reaped',
  1,
  z.object({ cluster_id, instance_id, reason: z.string() }),
  { severity: 'warning' },
);
/** What happens to whatever is stuck in this cluster, and after how long. What is absent stays as it was. */
export const LifecyclePolicySet = defineEvent(
  'system.k3s.cluster.lifecycle_policy_set',
  1,
  z.object({ cluster_id, ...lifecyclePolicyFields }),
);

const progress = { cluster_id, instance_id, done: z.number().int(), total: z.number().int() };
/** From here on the pods of this cluster move over to the overlay, node by node. */
export const MigrationStarted = defineEvent(
  'system.k3s.pod_network.migration_started',
  1,
  z.object({
    cluster_id,
    network_id: idSchema('sdwan_network'),
    pod_cidr: z.string(),
    instance_ids: z.array(instance_id),
  }),
  { severity: 'warning' },
);
export const MigrationNodeStarted = defineEvent('system.k3s.pod_network.node_started', 1, z.object(progress));
export const MigrationNodeDone = defineEvent('system.k3s.pod_network.node_migrated', 1, z.object(progress));
export const MigrationPaused = defineEvent(
  'system.k3s.pod_network.migration_paused',
  1,
  z.object({ cluster_id, instance_id: instance_id.nullable(), reason: z.string() }),
  { severity: 'high' },
);
export const MigrationResumed = defineEvent('system.k3s.pod_network.migration_resumed', 1, z.object({ cluster_id }));
export const MigrationCompleted = defineEvent(
  'system.k3s.pod_network.migration_completed',
  1,
  z.object({ cluster_id, pod_cidr: z.string() }),
);

/** Another server token was chosen; from here on no server joins until the first one runs with it. */
export const ServerTokenChanging = defineEvent(
  'system.k3s.cluster.server_token_changing',
  1,
  z.object({ cluster_id, run: z.number().int(), server_token_ref: z.string() }),
);
/** The datastore is encrypted with this token from here on. The one before stays in the secret store: older snapshots need it. */
export const ServerTokenChanged = defineEvent(
  'system.k3s.cluster.server_token_changed',
  1,
  z.object({
    cluster_id,
    /** The rollout that brings it to the servers; of a restore the last one, or 0. */
    run: z.number().int(),
    server_token_ref: z.string(),
    because: z.enum(['rotated', 'restored']),
  }),
  { severity: 'warning' },
);

/** K3s refused to change it: everything goes on with the one before. */
export const ServerTokenKept = defineEvent(
  'system.k3s.cluster.server_token_kept',
  1,
  z.object({ cluster_id, run: z.number().int(), reason: z.string() }),
  { severity: 'high' },
);

/** Certificates end soon and cannot be renewed as things are. Once for each reason; cleared when the renewal begins. */
export const RenewalBlocked = defineEvent(
  'system.k3s.certificates.renewal_blocked',
  1,
  z.object({
    cluster_id,
    reason: z.string(),
    next_action: z.string(),
    /** When the first of them ends, milliseconds since the epoch. */
    certificates_end_ms: z.number().int(),
  }),
  { severity: 'high' },
);
export const RenewalUnblocked = defineEvent('system.k3s.certificates.renewal_unblocked', 1, z.object({ cluster_id }));

/** Nodes that stand in its Kubernetes API for a while and are no members. Once for each set of them. */
export const StrangersFound = defineEvent(
  'system.k3s.cluster.strangers_found',
  1,
  z.object({
    cluster_id,
    count: z.number().int(),
    /** The first of them. */
    names: z.array(z.string()),
    reason: z.string(),
    next_action: z.string(),
  }),
  { severity: 'warning' },
);
export const StrangersGone = defineEvent('system.k3s.cluster.strangers_gone', 1, z.object({ cluster_id }));

export const clusterEvents = [
  ClusterClaimed,
  ClusterClaimMoved,
  HandshakeBootstrap,
  ClusterBootstrapped,
  HandshakeJoinRequest,
  HandshakeJoinTokenIssued,
  HandshakeReady,
  HandshakeStopped,
  HandshakeJoinRefused,
  NodeNotReady,
  NodeReadyAgain,
  NodeDraining,
  NodeUncordoned,
  NodeRemoved,
  ClusterDegraded,
  ClusterRecovered,
  ClusterDecommissioned,
  PodSubnetPrefixIgnored,
  ClusterOverdue,
  NodeOverdue,
  NodeOrphaned,
  NodeOrphanReaped,
  LifecyclePolicySet,
  MigrationStarted,
  MigrationNodeStarted,
  MigrationNodeDone,
  MigrationPaused,
  MigrationResumed,
  MigrationCompleted,
  ServerTokenChanging,
  ServerTokenChanged,
  ServerTokenKept,
  RenewalBlocked,
  RenewalUnblocked,
  StrangersFound,
  StrangersGone,
  ...accessEvents,
] as const;
