import { refusal, type Refusal } from '#kernel';
import type { Cluster } from './state.js';

/** A server that lost its disk comes back as one that joins. With nobody left to join it would make a second cluster. */
export const nobodyToJoin = (state: Cluster, instanceId: string): Refusal | undefined => {
  if (state.datastore === 'external') return undefined;
  if ([...state.nodes].some(([member, node]) => member !== instanceId && node.role === 'server')) return undefined;
  return refusal(409, 'no_server_to_join', `${state.name} has no other server that this one could join`, {
    field: 'cluster_id',
    hint: 'restore a snapshot (kubernetes_restore_snapshot), or decommission the cluster and make a new one',
  });
};
