import type { RecordedEvent } from '#event-store';

type Wish = 'bootstrap' | 'migration' | 'rollout';

/** What a cluster was told to become, counted, against what it has become. */
export interface ClusterWanted {
  /** 1 is that there be a cluster at all; each rollout and each move of the pod network adds one. */
  readonly generation: number;
  /** Null until the cluster stands. */
  readonly observed: number | null;
  readonly pending: readonly { readonly generation: number; readonly what: Wish }[];
}
export const noCluster: ClusterWanted = { generation: 0, observed: null, pending: [] };

const BEGINS: Readonly<Record<string, Wish>> = {
  'system.cluster.claimed': 'bootstrap',
  'system.k3s.pod_network.migration_started': 'migration',
  'system.k3s.rollout.started': 'rollout',
};
/** A rollout that was aborted or rolled back is no longer wanted either. */
const ENDS: Readonly<Record<string, Wish>> = {
  'system.k3s.cluster.bootstrapped': 'bootstrap',
  'system.k3s.pod_network.migration_completed': 'migration',
  'system.k3s.rollout.finished': 'rollout',
};

const settled = (wanted: ClusterWanted, pending: ClusterWanted['pending']): ClusterWanted => {
  const [oldest] = pending;
  const through = oldest === undefined ? wanted.generation : oldest.generation - 1;
  return { ...wanted, pending, observed: through === 0 ? null : through };
};

export const clusterWantedAfter = (wanted: ClusterWanted, { type }: Pick<RecordedEvent, 'type'>): ClusterWanted => {
  const begun = BEGINS[type];
  if (begun !== undefined) {
    const generation = wanted.generation + 1;
    return { ...wanted, generation, pending: [...wanted.pending, { generation, what: begun }] };
  }
  // What is ended is told nothing any more.
  if (type === 'system.k3s.cluster.decommissioned') return settled(wanted, []);
  const ended = ENDS[type];
  if (ended === undefined) return wanted;
  return settled(
    wanted,
    wanted.pending.filter(({ what }) => what !== ended),
  );
};

/** Kept in a stream of its own; the cluster's says nothing of it. */
export const ROLLOUT_WISHES: readonly string[] = ['system.k3s.rollout.started', 'system.k3s.rollout.finished'];
