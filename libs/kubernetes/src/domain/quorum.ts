import { refusal, type Refusal } from '#kernel';
import type { Cluster } from './cluster/state.js';

/** Of so many etcd members these must be alive. */
export const quorumOf = (members: number): number => Math.floor(members / 2) + 1;

/**
 * Why a server must not leave now: with the members that stay, and those of them that are not alive, the cluster would have
 * no quorum. The last server may always go: an outage was announced to who asked for it.
 */
export const quorumAfterLeaving = (
  cluster: Pick<Cluster, 'name' | 'nodes' | 'datastore'>,
  instanceId: string,
): Refusal | undefined => {
  if (cluster.nodes.get(instanceId)?.role !== 'server') return undefined;
  const others = [...cluster.nodes].filter(
    ([id, n]) => id !== instanceId && n.role === 'server' && n.status !== 'joining',
  );
  // Behind an orphan there is nothing that could vote.
  const dead = others.filter(([, node]) => node.status === 'not_ready' || node.status === 'orphaned');
  // A database elsewhere asks for no majority of servers.
  if (cluster.datastore === 'external' && others.length > dead.length) return undefined;
  if (others.length === 0 || others.length - dead.length >= quorumOf(others.length)) return undefined;
  return refusal(
    409,
    'quorum_at_risk',
    cluster.datastore === 'external'
      ? `no other server of ${cluster.name} is alive: its API would be gone`
      : `without this server ${others.length - dead.length} of ${others.length} etcd members of ${cluster.name} would be alive: it would have no quorum`,
    {
      field: 'id',
      hint: 'bring back or forget what is not ready first (system_forget_instance), or set force',
      candidates: dead.map(([id, node]) => ({ id, ...(node.nodeName === null ? {} : { name: node.nodeName }) })),
    },
  );
};
