import type { V1Pod } from '@kubernetes/client-node';
import { foreignText } from '#kernel';
import { named } from './api-said.js';

export interface DrainPlan {
  /** To be evicted, those being deleted already included: the drain waits for them too. */
  readonly leaving: readonly V1Pod[];
  /** What an operator should know of before it is gone. */
  readonly notes: readonly string[];
}

/** As Kubernetes bounds them. */
const MOST_NAMESPACE = 63;
const MOST_NAME = 253;

export const podName = ({ metadata }: V1Pod): string =>
  `${foreignText(metadata?.namespace, MOST_NAMESPACE)}/${foreignText(metadata?.name, MOST_NAME)}`;

/** Without both there is nothing that could be evicted; the API server is a tenant's and may say anything. */
const isNamed = ({ metadata }: V1Pod): boolean =>
  typeof metadata?.name === 'string' && typeof metadata.namespace === 'string';

/** DaemonSet and mirror pods come back by themselves; finished pods hold nothing. `kubectl drain` skips the same. */
const staysBehind = (pod: V1Pod): boolean =>
  (pod.metadata?.ownerReferences ?? []).some((owner) => owner.kind === 'DaemonSet') ||
  pod.metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined ||
  ['Succeeded', 'Failed'].includes(pod.status?.phase ?? '');

const noted = (what: string, pods: readonly V1Pod[]): string[] =>
  pods.length === 0 ? [] : [`${what}: ${named(pods.map(podName)).join(', ')}`];

/**
 * Which pods of a node a drain moves away. kubectl stops before data in an emptyDir and pods that nothing would start again; a
 * drain that was asked of the platform goes on and says what it cost.
 */
export const drainPlan = (pods: readonly V1Pod[]): DrainPlan => {
  const leaving = pods.filter((pod) => isNamed(pod) && !staysBehind(pod));
  const emptyDirs = leaving.filter((pod) => (pod.spec?.volumes ?? []).some((volume) => volume.emptyDir !== undefined));
  const unmanaged = leaving.filter((pod) => !(pod.metadata?.ownerReferences ?? []).some((owner) => owner.controller));
  return {
    leaving,
    notes: [
      ...noted('their emptyDir data is gone', emptyDirs),
      ...noted('nothing will start them again (no controller)', unmanaged),
    ],
  };
};
