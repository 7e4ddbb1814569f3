import type { Refusal } from '#kernel';
import { resolveTarget } from '../domain/join-target.js';
import type { AssignedModule, KnownInstance, KubernetesDirectory } from './directory.js';

/** `config.target_cluster_id`, or `config.metadata.target_cluster_id` as older callers write it. */
export const targetOf = (module: Pick<AssignedModule, 'config'>): string | null => {
  const metadata = module.config['metadata'];
  const nested = typeof metadata === 'object' && metadata !== null ? (metadata as Record<string, unknown>) : {};
  const target = module.config['target_cluster_id'] ?? nested['target_cluster_id'];
  return typeof target === 'string' && target !== '' ? target : null;
};

export type Target =
  /** Undefined while the assignment's own cluster has not been claimed. */
  { readonly ok: true; readonly id: string | undefined } | { readonly ok: false; readonly refusal: Refusal };

/** The cluster that a module of an instance is of, or why there is none. What a node itself says is not asked. */
export const targetCluster = (
  directory: KubernetesDirectory,
  instance: Pick<KnownInstance, 'id' | 'accountId'>,
  module: AssignedModule,
): Target => {
  const target = targetOf(module);
  if (module.name === 'k3s-server' && target === null)
    return { ok: true, id: directory.clusterOfAssignment(module.assignmentId)?.id };
  const member = directory.clusterOfMember(instance.id);
  // A node that already belongs to a cluster goes on with it, however many there are by now.
  if (target === null && member !== undefined) return { ok: true, id: member.id };
  const clusters = directory.clustersOf(instance.accountId).map(({ id, name, status }) => ({
    id,
    name,
    joinable: status === 'active' || status === 'bootstrapping',
  }));
  const resolved = resolveTarget(target, clusters);
  return resolved.ok ? { ok: true, id: resolved.clusterId } : resolved;
};
