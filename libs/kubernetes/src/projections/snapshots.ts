import { categoryOf } from '#kernel';
import { defineProjection } from '#processing';
import {
  evolveSnapshot,
  RESTORE,
  SNAPSHOT,
  snapshotDecider,
  type Snapshot,
  type SnapshotEvent,
} from '../domain/snapshots/decide.js';

export interface SnapshotDoc extends Omit<Snapshot, 'status'> {
  readonly kind: 'snapshot' | 'restore';
  readonly id: string;
  readonly accountId: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly status: Snapshot['status'] | 'running' | 'completed';
  /** Of a restore. */
  readonly snapshotId: string | null;
  readonly steps: readonly string[];
  readonly warnings: readonly string[];
}

const restoreStatus: Readonly<Record<string, SnapshotDoc['status']>> = {
  'system.k3s.restore.requested': 'running',
  'system.k3s.restore.progress': 'running',
  'system.k3s.restore.completed': 'completed',
  'system.k3s.restore.failed': 'failed',
};

/** Snapshots and restores, one row each. */
export const snapshotsProjection = defineProjection<SnapshotDoc>({
  name: 'kubernetes_snapshots',
  version: 1,
  keys: (event) => ([SNAPSHOT, RESTORE].includes(categoryOf(event.stream)) ? [event.stream] : []),
  fold: (doc, recorded, id) => {
    const event = { type: recorded.type, data: recorded.data } as unknown as SnapshotEvent;
    const at = recorded.meta.occurredAt;
    const base = {
      accountId: doc?.accountId ?? recorded.meta.accountId,
      createdAt: doc?.createdAt ?? at,
      ...{
        updatedAt: at,
        id,
        snapshotId: doc?.snapshotId ?? null,
        steps: doc?.steps ?? [],
        warnings: doc?.warnings ?? [],
      },
    };
    const known: Snapshot = {
      ...snapshotDecider.initial,
      ...doc,
      status: (doc?.status ?? 'absent') as Snapshot['status'],
    };
    if (categoryOf(recorded.stream) === SNAPSHOT) return { ...evolveSnapshot(known, event), ...base, kind: 'snapshot' };
    const data = recorded.data as Record<string, string | string[] | undefined>;
    const step = event.type === 'system.k3s.restore.progress' ? [event.data.step] : [];
    return {
      ...known,
      ...base,
      kind: 'restore',
      status: restoreStatus[recorded.type] ?? 'running',
      clusterId: String(data['cluster_id']),
      instanceId: typeof data['instance_id'] === 'string' ? data['instance_id'] : known.instanceId,
      snapshotId: typeof data['snapshot_id'] === 'string' ? data['snapshot_id'] : base.snapshotId,
      error: typeof data['reason'] === 'string' ? data['reason'] : null,
      steps: [...base.steps, ...step],
      warnings: Array.isArray(data['warnings']) ? data['warnings'] : base.warnings,
    };
  },
  columns: (doc) => ({ account: doc.accountId, cluster_id: doc.clusterId, status: doc.status, kind: doc.kind }),
  columnTypes: { cluster_id: 'text', status: 'text', kind: 'text' },
});
