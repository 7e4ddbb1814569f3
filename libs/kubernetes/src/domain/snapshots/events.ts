import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const cluster_id = idSchema('cluster');
const instance_id = idSchema('instance');
const snapshot = { snapshot_id: z.string(), cluster_id };
const restore = { restore_id: z.string(), cluster_id };

export const SnapshotRequested = defineEvent(
  'system.k3s.snapshot.requested',
  1,
  z.object({ ...snapshot, name: z.string(), trigger: z.enum(['operator', 'schedule']) }),
);
/** It is a file on the server that made it. */
export const SnapshotSaved = defineEvent(
  'system.k3s.snapshot.saved',
  1,
  z.object({
    ...snapshot,
    instance_id,
    file_name: z.string(),
    /** What K3s encrypted it with; absent in older events: the cluster's first one. */
    server_token_ref: z.string().optional(),
  }),
);
/** The platform has a copy, encrypted: the server that made it may be lost. */
export const SnapshotStored = defineEvent(
  'system.k3s.snapshot.stored',
  1,
  z.object({ ...snapshot, size_bytes: z.number().int(), sha256: z.string(), store_ref: z.string() }),
);
export const SnapshotFailed = defineEvent(
  'system.k3s.snapshot.failed',
  1,
  z.object({ ...snapshot, reason: z.string() }),
  { severity: 'high' },
);
export const SnapshotDeleted = defineEvent(
  'system.k3s.snapshot.deleted',
  1,
  z.object({ ...snapshot, reason: z.string() }),
);
/** Level-based: what is set here replaces what was. With neither cron nor an interval nothing is scheduled. */
export const SnapshotPolicySet = defineEvent(
  'system.k3s.snapshot.policy_set',
  1,
  z.object({
    cluster_id,
    cron: z.string().nullable(),
    interval_minutes: z.number().int().nullable(),
    retention: z.number().int(),
  }),
);

export const RestoreRequested = defineEvent(
  'system.k3s.restore.requested',
  1,
  z.object({
    ...restore,
    snapshot_id: z.string(),
    instance_id,
    other_servers: z.array(instance_id),
    /** The operator answers for it that servers which are not connected never come back with what they have. */
    force: z.boolean().optional(),
  }),
  { severity: 'critical' },
);
export const RestoreProgress = defineEvent(
  'system.k3s.restore.progress',
  1,
  z.object({
    ...restore,
    step: z.enum(['servers_halted', 'snapshot_copied', 'datastore_restored', 'api_ready', 'servers_rejoining']),
    detail: z.string(),
  }),
);
export const RestoreCompleted = defineEvent(
  'system.k3s.restore.completed',
  1,
  z.object({ ...restore, warnings: z.array(z.string()) }),
  { severity: 'warning' },
);
export const RestoreFailed = defineEvent(
  'system.k3s.restore.failed',
  1,
  z.object({ ...restore, reason: z.string(), next_action: z.string() }),
  { severity: 'critical' },
);

export const snapshotEvents = [
  SnapshotRequested,
  SnapshotSaved,
  SnapshotStored,
  SnapshotFailed,
  SnapshotDeleted,
  SnapshotPolicySet,
  RestoreRequested,
  RestoreProgress,
  RestoreCompleted,
  RestoreFailed,
] as const;
