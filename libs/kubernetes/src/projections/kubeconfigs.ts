import { categoryOf } from '#kernel';
import { defineProjection } from '#processing';
import {
  evolveKubeconfig,
  KUBECONFIG,
  type IssuedKubeconfig,
  type KubeconfigEvent,
} from '../domain/kubeconfigs/decide.js';

export interface KubeconfigDoc extends IssuedKubeconfig {
  readonly id: string;
  readonly accountId: string;
  readonly issuedAt: string;
  readonly revokedAt: string | null;
}

/** Kubeconfigs that were issued, one row each; none of their secrets. */
export const kubeconfigsProjection = defineProjection<KubeconfigDoc>({
  name: 'kubernetes_kubeconfigs',
  version: 2,
  keys: (event) => (categoryOf(event.stream) === KUBECONFIG ? [event.stream] : []),
  fold: (doc, recorded, id) => {
    const event = { type: recorded.type, data: recorded.data } as unknown as KubeconfigEvent;
    const state = evolveKubeconfig(doc ?? null, event);
    if (state === null) return doc;
    const at = recorded.meta.occurredAt;
    const issuedAt = doc?.issuedAt ?? at;
    const accountId = doc?.accountId ?? recorded.meta.accountId;
    return { ...state, id, accountId, issuedAt, revokedAt: state.revoked === null ? null : at };
  },
  columns: (doc) => ({ account: doc.accountId, cluster_id: doc.clusterId, revoked: String(doc.revoked !== null) }),
  columnTypes: { cluster_id: 'text', revoked: 'text' },
});
