import { accept, nothing, type Decision } from '#kernel';
import { ApiAccepted, ApiRefused } from './access-events.js';
import { apiRefusalOf, type RefusedStatus } from './api-refusal.js';
import type { Cluster, ClusterEvent } from './state.js';

export type AccessCommand =
  /** Its API has gone on refusing the platform since then, in these words. */
  | { readonly type: 'api_refused'; readonly status: RefusedStatus; readonly said: string; readonly since: string }
  | { readonly type: 'api_accepted' };

export const isAccessCommand = (c: { readonly type: string }): c is AccessCommand => c.type.startsWith('api_');

export const decideAccess = (c: AccessCommand, state: Cluster): Decision<ClusterEvent> => {
  const cluster_id = state.id as never;
  const links = { links: { cluster: state.id } };
  const known = state.apiRefused ?? null;
  if (c.type === 'api_accepted')
    return known === null ? nothing('was_not_refused') : accept(ApiAccepted({ cluster_id }, links));
  // What it says besides may be another text each time.
  if (known?.status === c.status) return nothing('told_before');
  const { status, reason, nextAction: next_action } = apiRefusalOf(c.status, c.said);
  return accept(ApiRefused({ cluster_id, status, since: c.since, reason, next_action }, links));
};
