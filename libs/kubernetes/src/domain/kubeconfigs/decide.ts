import { accept, nothing, type ClusterId, type Decider, type EventOf } from '#kernel';
import { KubeconfigIssued, KubeconfigRevoked, type kubeconfigEvents } from './events.js';
import type { KubeconfigRole } from './roles.js';

export const KUBECONFIG = 'kubeconfig';

export type KubeconfigEvent = EventOf<(typeof kubeconfigEvents)[number]>;
export type RevokeReason = Extract<KubeconfigEvent, { type: 'system.k3s.kubeconfig.revoked' }>['data']['reason'];

export interface IssuedKubeconfig {
  readonly issueId: string;
  readonly clusterId: ClusterId;
  readonly operator: string;
  readonly role: KubeconfigRole;
  readonly serviceAccount: string;
  readonly expiresAt: string;
  readonly revoked: RevokeReason | null;
}

export type KubeconfigCommand =
  | ({ readonly type: 'issue' } & Omit<IssuedKubeconfig, 'revoked'>)
  | { readonly type: 'revoke'; readonly reason: RevokeReason };

export const evolveKubeconfig = (state: IssuedKubeconfig | null, event: KubeconfigEvent): IssuedKubeconfig | null => {
  if (event.type === 'system.k3s.kubeconfig.revoked')
    return state === null ? null : { ...state, revoked: event.data.reason };
  const { issue_id, cluster_id, operator, role, service_account, expires_at } = event.data;
  const names = { issueId: issue_id, clusterId: cluster_id, serviceAccount: service_account, expiresAt: expires_at };
  return { ...names, operator, role, revoked: null };
};

/** A kubeconfig is issued once and revoked once. */
export const kubeconfigDecider: Decider<IssuedKubeconfig | null, KubeconfigCommand, KubeconfigEvent> = {
  initial: null,
  evolve: evolveKubeconfig,
  decide: (command, state) => {
    if (command.type === 'issue') {
      if (state !== null) return nothing('issued_before');
      const { issueId: issue_id, clusterId: cluster_id, operator, role } = command;
      const { serviceAccount: service_account, expiresAt: expires_at } = command;
      const data = { issue_id, cluster_id, operator, role, service_account, expires_at };
      return accept(KubeconfigIssued(data, { links: { cluster: cluster_id } }));
    }
    if (state === null || state.revoked !== null) return nothing('not_in_force');
    const { issueId: issue_id, clusterId: cluster_id, operator, role } = state;
    const data = { issue_id, cluster_id, operator, role, reason: command.reason };
    return accept(KubeconfigRevoked(data, { links: { cluster: cluster_id } }));
  },
};
