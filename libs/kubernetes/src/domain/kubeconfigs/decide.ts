import { accept, nothing, type ClusterId, type Decider, type EventOf } from '#kernel';
import {
  KubeconfigIssued,
  KubeconfigIssueFailed,
  KubeconfigRevoked,
  KubeconfigWithdrawalOrdered,
  KubeconfigWithdrawalStuck,
  type kubeconfigEvents,
} from './events.js';
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
  /** It has to go before its time. */
  readonly ordered?: boolean;
  /** Why its cluster's API does not make it. */
  readonly failed?: string;
  readonly stuck?: boolean;
}

export type KubeconfigCommand =
  | ({ readonly type: 'issue' } & Omit<IssuedKubeconfig, 'revoked' | 'ordered' | 'failed' | 'stuck'>)
  | { readonly type: 'issue_failed'; readonly reason: string }
  | { readonly type: 'withdrawal_stuck'; readonly reason: string }
  | { readonly type: 'revoke'; readonly reason: RevokeReason }
  | { readonly type: 'order_withdrawal'; readonly reason: 'operator_disabled' };

export const evolveKubeconfig = (state: IssuedKubeconfig | null, event: KubeconfigEvent): IssuedKubeconfig | null => {
  if (event.type === 'system.k3s.kubeconfig.revoked')
    return state === null ? null : { ...state, revoked: event.data.reason };
  if (event.type === 'system.k3s.kubeconfig.withdrawal_ordered')
    return state === null ? null : { ...state, ordered: true };
  if (event.type === 'system.k3s.kubeconfig.issue_failed')
    return state === null ? null : { ...state, failed: event.data.reason };
  if (event.type === 'system.k3s.kubeconfig.withdrawal_stuck') return state === null ? null : { ...state, stuck: true };
  const { issue_id, cluster_id, operator, role, service_account, expires_at } = event.data;
  const names = { issueId: issue_id, clusterId: cluster_id, serviceAccount: service_account, expiresAt: expires_at };
  return { ...names, operator, role, revoked: null };
};

const ISSUE_NEXT =
  'put right what its Kubernetes API says (admission webhooks, quotas, policies), then call kubernetes_issue_kubeconfig again';

const byHand = ({ serviceAccount }: IssuedKubeconfig): string =>
  'put right what its Kubernetes API says, or take it back by hand: ' +
  `kubectl delete clusterrolebinding ${serviceAccount}; kubectl -n kube-system delete serviceaccount ${serviceAccount}`;

/** A kubeconfig is issued once and revoked once; that it has to go is said once before. */
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
    const about = { issue_id, cluster_id, operator, role };
    const links = { links: { cluster: cluster_id } };
    if (command.type === 'revoke') return accept(KubeconfigRevoked({ ...about, reason: command.reason }, links));
    if (command.type === 'issue_failed')
      return state.failed === undefined
        ? accept(KubeconfigIssueFailed({ ...about, reason: command.reason, next_action: ISSUE_NEXT }, links))
        : nothing('failed_before');
    if (command.type === 'withdrawal_stuck')
      return state.stuck === true
        ? nothing('told_before')
        : accept(KubeconfigWithdrawalStuck({ ...about, reason: command.reason, next_action: byHand(state) }, links));
    if (state.ordered === true) return nothing('ordered_before');
    return accept(KubeconfigWithdrawalOrdered({ ...about, reason: command.reason }, links));
  },
};
