import { accept, nothing, refusal, reject, uuidOf, type Decider, type EventOf, type Refusal } from '#kernel';
import type { snapshotEvents } from './events.js';

export type SnapshotEvent = EventOf<(typeof snapshotEvents)[number]>;
type Of<T extends SnapshotEvent['type']> = Extract<SnapshotEvent, { type: T }>;

export interface Snapshot {
  readonly status: 'absent' | 'requested' | 'saved' | 'available' | 'failed' | 'deleted';
  readonly clusterId: string;
  readonly name: string;
  readonly trigger: 'operator' | 'schedule';
  readonly instanceId: string | null;
  readonly fileName: string | null;
  readonly sizeBytes: number | null;
  readonly sha256: string | null;
  readonly storeRef: string | null;
  readonly tokenRef: string | null;
  readonly error: string | null;
}

const none: Snapshot = {
  ...{ status: 'absent', clusterId: '', name: '', trigger: 'operator', instanceId: null, fileName: null },
  ...{ sizeBytes: null, sha256: null, storeRef: null, tokenRef: null, error: null },
};

export const evolveSnapshot = (state: Snapshot, event: SnapshotEvent): Snapshot => {
  switch (event.type) {
    case 'system.k3s.snapshot.requested':
      return {
        ...none,
        status: 'requested',
        clusterId: event.data.cluster_id,
        name: event.data.name,
        trigger: event.data.trigger,
      };
    case 'system.k3s.snapshot.saved':
      return {
        ...state,
        status: 'saved',
        instanceId: event.data.instance_id,
        fileName: event.data.file_name,
        tokenRef: event.data.server_token_ref ?? null,
      };
    case 'system.k3s.snapshot.stored': {
      const { size_bytes: sizeBytes, sha256, store_ref: storeRef } = event.data;
      return { ...state, status: 'available', sizeBytes, sha256, storeRef };
    }
    case 'system.k3s.snapshot.failed':
      return { ...state, status: 'failed', error: event.data.reason };
    case 'system.k3s.snapshot.deleted':
      return { ...state, status: 'deleted' };
    default:
      return state;
  }
};

/** In which states something may happen to a snapshot; elsewhere it has happened, or came too late. */
const FROM: Readonly<Partial<Record<SnapshotEvent['type'], readonly Snapshot['status'][]>>> = {
  'system.k3s.snapshot.requested': ['absent'],
  'system.k3s.snapshot.saved': ['requested'],
  'system.k3s.snapshot.stored': ['saved'],
  'system.k3s.snapshot.failed': ['requested', 'saved'],
  'system.k3s.snapshot.deleted': ['available', 'failed'],
};

export const snapshotDecider: Decider<Snapshot, SnapshotEvent, SnapshotEvent> = {
  initial: none,
  evolve: evolveSnapshot,
  decide: (event, state) =>
    FROM[event.type]?.includes(state.status) === true ? accept(event) : nothing(`it_is_${state.status}`),
};

export interface SnapshotPolicy {
  readonly cron: string | null;
  readonly intervalMinutes: number | null;
  readonly retention: number;
}
export const NO_POLICY: SnapshotPolicy = { cron: null, intervalMinutes: null, retention: 5 };

export const policyDecider: Decider<SnapshotPolicy, Of<'system.k3s.snapshot.policy_set'>, SnapshotEvent> = {
  initial: NO_POLICY,
  evolve: (state, event) => {
    if (event.type !== 'system.k3s.snapshot.policy_set') return state;
    const { cron, interval_minutes: intervalMinutes, retention } = event.data;
    return { cron, intervalMinutes, retention };
  },
  decide: (event, state) => {
    const { cron, interval_minutes, retention } = event.data;
    const same = state.cron === cron && state.intervalMinutes === interval_minutes && state.retention === retention;
    return same ? nothing('set_before') : accept(event);
  },
};

export interface Restore {
  readonly status: 'absent' | 'running' | 'completed' | 'failed';
  readonly request: Of<'system.k3s.restore.requested'>['data'] | null;
  readonly steps: readonly string[];
}

/** Two at once would each make a cluster of what they restored. */
export const restoreIsRunning = (restoreId: string): Refusal =>
  refusal(409, 'restore_is_running', `${restoreId} is under way`, { hint: 'kubernetes_list_snapshots shows it' });

export const restoreDecider: Decider<Restore, SnapshotEvent, SnapshotEvent> = {
  initial: { status: 'absent', request: null, steps: [] },
  evolve: (state, event) => {
    switch (event.type) {
      case 'system.k3s.restore.requested':
        return { status: 'running', request: event.data, steps: [] };
      case 'system.k3s.restore.progress':
        return { ...state, steps: [...state.steps, event.data.step] };
      case 'system.k3s.restore.completed':
        return { ...state, status: 'completed' };
      case 'system.k3s.restore.failed':
        return { ...state, status: 'failed' };
      default:
        return state;
    }
  },
  decide: (event, state) => {
    if (event.type === 'system.k3s.restore.requested') {
      if (state.request === null) return accept(event);
      const { snapshot_id, instance_id, restore_id } = state.request;
      const same = snapshot_id === event.data.snapshot_id && instance_id === event.data.instance_id;
      return same ? nothing('requested_before') : reject(restoreIsRunning(restore_id));
    }
    if (state.status !== 'running') return nothing(`it_is_${state.status}`);
    if (event.type === 'system.k3s.restore.progress' && state.steps.includes(event.data.step))
      return nothing('done_before');
    return accept(event);
  },
};

export const SNAPSHOT = 'etcd_snapshot';
export const RESTORE = 'etcd_restore';
export const policyStream = (clusterId: string): string => `snapshot_policy-${uuidOf(clusterId)}`;
