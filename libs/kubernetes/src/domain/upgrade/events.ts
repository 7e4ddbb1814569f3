import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const cluster_id = idSchema('cluster');
const instance_id = idSchema('instance');
const run = z.number().int();
const direction = z.enum(['forward', 'back']);
const about = { cluster_id, run };
const progress = { percent: z.number().int(), done: z.number().int(), total: z.number().int() };

/** What is done to each node of a cluster, one after the other. */
const change = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('upgrade'),
    version: z.string(),
    version_id: z.string(),
    /** What nodes without a word of their own ran: a version of the catalogue, or null for the default program. */
    from_version_id: z.string().nullable(),
  }),
  z.object({ kind: z.literal('certificates') }),
  z.object({ kind: z.literal('server_token') }),
]);
export type RolloutChange = z.output<typeof change>;

const options = z.object({
  max_unavailable: z.number().int(),
  canary: z.number().int(),
  canary_soak_seconds: z.number().int(),
  drain: z.boolean(),
  drain_timeout_seconds: z.number().int(),
  node_timeout_seconds: z.number().int(),
});
export type RolloutOptions = z.output<typeof options>;

const node = z.object({
  instance_id,
  name: z.string(),
  role: z.enum(['server', 'agent']),
  canary: z.boolean(),
  from_version: z.string().nullable(),
  from_version_id: z.string().nullable(),
  /** Drained before, by an operator: it stays so afterwards. */
  was_drained: z.boolean(),
});
export type PlannedNode = z.output<typeof node>;

export const RolloutStarted = defineEvent(
  'system.k3s.rollout.started',
  1,
  z.object({ ...about, at_ms: z.number().int(), change, options, nodes: z.array(node) }),
);
/** Nodes that joined the cluster after the plan was made. */
export const RolloutNodesAdded = defineEvent(
  'system.k3s.rollout.nodes_added',
  1,
  z.object({ ...about, nodes: z.array(node) }),
);
export const RolloutNodeProgressed = defineEvent(
  'system.k3s.rollout.node_progressed',
  1,
  z.object({
    ...about,
    instance_id,
    phase: z.enum(['draining', 'changing', 'verifying', 'done', 'skipped']),
    direction,
    at_ms: z.number().int(),
    detail: z.string(),
    ...progress,
  }),
);
export const RolloutNodeFailed = defineEvent(
  'system.k3s.rollout.node_failed',
  1,
  z.object({ ...about, instance_id, direction, reason: z.string(), ...progress }),
  { severity: 'high' },
);
/** The node says that its certificates or its token were made anew for this run. */
export const RolloutNodeReported = defineEvent(
  'system.k3s.rollout.node_reported',
  1,
  z.object({
    ...about,
    instance_id,
    /** When the first of its certificates ends now, milliseconds since the epoch. */
    certificates_end_ms: z.number().int().nullable(),
    /** Of the kubeconfig that took the place of the one before, where a server reported one. */
    kubeconfig_digest: z.string().optional(),
    /** Absent in older events. */
    at_ms: z.number().int().optional(),
  }),
);
export const RolloutPaused = defineEvent('system.k3s.rollout.paused', 1, z.object(about), { severity: 'warning' });
export const RolloutResumed = defineEvent(
  'system.k3s.rollout.resumed',
  1,
  z.object({
    ...about,
    retried: z.array(instance_id),
    /** Absent in older events. */
    at_ms: z.number().int().optional(),
    /** Nobody asked for it: what it had waited for was there again. */
    by_itself: z.boolean().optional(),
  }),
);
export const RolloutAbortRequested = defineEvent('system.k3s.rollout.abort_requested', 1, z.object(about), {
  severity: 'warning',
});
export const RolloutRollbackStarted = defineEvent(
  'system.k3s.rollout.rollback_started',
  1,
  z.object({ ...about, nodes: z.array(instance_id) }),
  { severity: 'warning' },
);
export const RolloutFinished = defineEvent(
  'system.k3s.rollout.finished',
  1,
  z.object({ ...about, outcome: z.enum(['completed', 'aborted', 'rolled_back']), ...progress }),
);

export const rolloutEvents = [
  RolloutStarted,
  RolloutNodesAdded,
  RolloutNodeProgressed,
  RolloutNodeFailed,
  RolloutNodeReported,
  RolloutPaused,
  RolloutResumed,
  RolloutAbortRequested,
  RolloutRollbackStarted,
  RolloutFinished,
] as const;
