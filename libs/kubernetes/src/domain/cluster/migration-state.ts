import type { EventOf } from '#kernel';
import type * as events from './events.js';

type MigrationEvent = EventOf<
  (typeof events)[
    | 'MigrationStarted'
    | 'MigrationNodeStarted'
    | 'MigrationNodeDone'
    | 'MigrationPaused'
    | 'MigrationResumed'
    | 'MigrationCompleted'
    | 'NodeRemoved']
>;

/** The pods of a running flannel cluster move to the overlay: every node gets the new arguments, one after the other. */
export interface Migration {
  readonly state: 'running' | 'paused' | 'completed';
  readonly podCidr: string;
  /** In the order in which they are to be moved. */
  readonly pending: readonly string[];
  readonly current: string | null;
  readonly currentSince: string | null;
  readonly done: readonly string[];
  readonly total: number;
  /** Why it is paused. */
  readonly reason: string | null;
}

const without = (ids: readonly string[], id: string): readonly string[] => ids.filter((other) => other !== id);

/** A node that is removed meanwhile does not have to be moved any more. */
const removed = (state: Migration, id: string): Migration => {
  if (!state.pending.includes(id) && state.current !== id) return state;
  return {
    ...state,
    pending: without(state.pending, id),
    current: state.current === id ? null : state.current,
    total: state.total - 1,
  };
};

export const evolveMigration = (
  state: Migration | null,
  event: MigrationEvent,
  at: string | null = null,
): Migration | null => {
  if (event.type === 'system.k3s.pod_network.migration_started') {
    const { pod_cidr, instance_ids } = event.data;
    const rest = { pending: instance_ids, current: null, currentSince: null, done: [], total: instance_ids.length };
    return { state: 'running', podCidr: pod_cidr, reason: null, ...rest };
  }
  if (state === null) return null;
  switch (event.type) {
    case 'system.k3s.pod_network.node_started':
      return {
        ...state,
        pending: without(state.pending, event.data.instance_id),
        current: event.data.instance_id,
        currentSince: at,
      };
    case 'system.k3s.pod_network.node_migrated':
      return { ...state, current: null, done: [...state.done, event.data.instance_id] };
    case 'system.k3s.pod_network.migration_paused':
      return { ...state, state: 'paused', reason: event.data.reason };
    case 'system.k3s.pod_network.migration_resumed':
      return { ...state, state: 'running', reason: null, currentSince: at };
    case 'system.k3s.pod_network.migration_completed':
      return { ...state, state: 'completed' };
    default:
      return removed(state, event.data.instance_id);
  }
};

/** Whether a node already runs, or is to run, with the new arguments. Nodes that join meanwhile start with them. */
export const hasMoved = (migration: Migration | null, instanceId: string): boolean =>
  migration === null || !migration.pending.includes(instanceId);
