import { z } from 'zod';
import { defineTool, resourceStatus } from '#tools';

const clusterId = z.string().min(1).max(200).describe('Cluster id, slug or name');
const byCluster = { id: 'cluster_id', name: 'cluster_id' };

const snapshot = z.object({
  id: z.string(),
  cluster_id: z.string(),
  status: z.enum(['requested', 'saved', 'available', 'failed', 'deleted']),
  trigger: z.enum(['operator', 'schedule']),
  file_name: z.string().nullable().describe('On the server that made it'),
  instance_id: z.string().nullable(),
  size_bytes: z.number().int().nullable(),
  sha256: z.string().nullable(),
  error: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  ...resourceStatus,
});
const restore = z.object({
  id: z.string(),
  cluster_id: z.string(),
  snapshot_id: z.string(),
  instance_id: z.string(),
  status: z.enum(['running', 'completed', 'failed']),
  steps: z.array(z.string()).describe('Done so far, of five'),
  percent: z.number().int(),
  warnings: z.array(z.string()),
  error: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  ...resourceStatus,
});
const policy = z.object({
  cron: z.string().nullable(),
  interval_minutes: z.number().int().nullable(),
  retention: z.number().int(),
  next_due: z.string().nullable(),
});
export type SnapshotOutput = z.input<typeof snapshot>;
export type RestoreOutput = z.input<typeof restore>;
export type PolicyOutput = z.input<typeof policy>;

export const createSnapshot = defineTool({
  name: 'kubernetes_create_snapshot',
  group: 'kubernetes',
  summary: 'Take an etcd snapshot of a cluster.',
  description:
    'A server makes it (k3s etcd-snapshot save) and the platform keeps an encrypted copy, so that it outlives the server. Answers ' +
    'at once; kubernetes_list_snapshots shows when it is available. Clusters with an external datastore are refused: back that up.',
  input: z.object({ cluster_id: clusterId }),
  output: z.object({ snapshot }),
  permission: 'system.kubernetes_provision',
  danger: 'change',
  aliases: byCluster,
  examples: [{ title: 'Before an upgrade', arguments: { cluster_id: 'k3s-cluster-1' } }],
  cli: ['snapshot', 'create'],
});

export const listSnapshots = defineTool({
  name: 'kubernetes_list_snapshots',
  group: 'kubernetes',
  summary: 'List the etcd snapshots of a cluster.',
  description: 'The newest first, with the restores that were made of them and the cluster’s snapshot policy.',
  input: z.object({
    cluster_id: clusterId,
    include_deleted: z.boolean().default(false),
    limit: z.number().int().min(1).max(200).default(50),
  }),
  output: z.object({ snapshots: z.array(snapshot), restores: z.array(restore), policy }),
  permission: 'system.kubernetes.read',
  danger: 'read',
  aliases: byCluster,
  examples: [{ title: 'What could be restored', arguments: { cluster_id: 'k3s-cluster-1' } }],
  cli: ['snapshot', 'list'],
});

export const setSnapshotPolicy = defineTool({
  name: 'kubernetes_set_snapshot_policy',
  group: 'kubernetes',
  summary: 'Set when a cluster’s snapshots are taken and how many are kept.',
  description:
    'cron (five fields, UTC, or @hourly, @daily, @weekly, @monthly) or interval_minutes; neither turns the schedule off. retention ' +
    'counts available snapshots, whoever asked for them: the oldest go first. It replaces the policy as a whole.',
  input: z.object({
    cluster_id: clusterId,
    cron: z.string().min(1).max(100).optional(),
    interval_minutes: z.number().int().min(5).max(43_200).optional(),
    retention: z.number().int().min(1).max(100).default(5),
  }),
  output: z.object({ policy }),
  permission: 'system.kubernetes_provision',
  danger: 'change',
  aliases: byCluster,
  examples: [{ title: 'Every night', arguments: { cluster_id: 'k3s-cluster-1', cron: '0 3 * * *', retention: 14 } }],
  cli: ['snapshot', 'policy'],
});

export const restoreSnapshot = defineTool({
  name: 'kubernetes_restore_snapshot',
  group: 'kubernetes',
  summary: 'Make a cluster what it was when a snapshot was taken.',
  description:
    'Everything that was written to the cluster since is lost. instance_id is the server to restore onto: one of the cluster’s, or a ' +
    'new machine with its k3s-server module. The other servers are halted first and join the restored one afterwards; their data are ' +
    'set aside. A server that is not connected cannot be halted, and would be a second cluster if it came back with its old data: then the ' +
    'restore is refused unless force is given. Cannot be undone. Answers at once; kubernetes_list_snapshots shows the progress.',
  input: z.object({
    snapshot_id: z.string().min(1).max(100),
    instance_id: z.string().min(1).max(200).describe('Id of the instance, or name of its node'),
    force: z.boolean().default(false).describe('Servers that are not connected are destroyed, and never come back'),
  }),
  output: z.object({ restore }),
  permission: 'system.kubernetes_provision',
  danger: 'destroy',
  aliases: { id: 'snapshot_id', node_instance_id: 'instance_id' },
  examples: [
    {
      title: 'On the server that is left',
      arguments: { snapshot_id: 'snapshot-1f0a3f6d-7b11-4c5d-8e6f-0a1b2c3d4e5f', instance_id: 'k3s-server-1' },
    },
  ],
  cli: ['snapshot', 'restore'],
});

export const snapshotTools = [createSnapshot, listSnapshots, setSnapshotPolicy, restoreSnapshot] as const;
