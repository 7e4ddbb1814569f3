import type { V1Pod } from '@kubernetes/client-node';

export interface DrainPlan {
  /** To be evicted, those being deleted already included: the drain waits for them too. */
  readonly leaving: readonly V1Pod[];
  /** What an operator should know of before it is gone. */
  readonly notes: readonly string[];
}

export const podName = (pod: V1Pod): string => `${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`;

/** DaemonSet and mirror pods come back by themselves; finished pods hold nothing. `kubectl drain` skips the same. */
const staysBehind = (pod: V1Pod): boolean =>
  (pod.metadata?.ownerReferences ?? []).some((owner) => owner.kind === 'DaemonSet') ||
  pod.metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined ||
  ['Succeeded', 'Failed'].includes(pod.status?.phase ?? '');

const MAX_NAMED = 10;
const named = (what: string, pods: readonly V1Pod[]): string[] => {
  if (pods.length === 0) return [];
  const more = pods.length > MAX_NAMED ? ` and ${pods.length - MAX_NAMED} more` : '';
  return [`${what}: ${pods.slice(0, MAX_NAMED).map(podName).join(', ')}${more}`];
};

/**
 * Which pods of a node a drain moves away. kubectl stops before data in an emptyDir and pods that nothing would start again; a
 * drain that was asked of the platform goes on and says what it cost.
 */
export const drainPlan = (pods: readonly V1Pod[]): DrainPlan => {
  const leaving = pods.filter((pod) => !staysBehind(pod));
  const emptyDirs = leaving.filter((pod) => (pod.spec?.volumes ?? []).some((volume) => volume.emptyDir !== undefined));
  const unmanaged = leaving.filter((pod) => !(pod.metadata?.ownerReferences ?? []).some((owner) => owner.controller));
  return {
    leaving,
    notes: [
      ...named('their emptyDir data is gone', emptyDirs),
      ...named('nothing will start them again (no controller)', unmanaged),
    ],
  };
};
