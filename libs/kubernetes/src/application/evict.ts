import type { V1Pod } from '@kubernetes/client-node';
import { sleep, type Clock, type Timers } from '#kernel';
import type { KubeApi } from './kube-api.js';

const RETRY_MS = 1_000;

/** Cordons or uncordons a node. A strategic merge patch, as kubectl sends it. */
export const setUnschedulable = async (api: KubeApi, node: string, unschedulable: boolean): Promise<void> => {
  const { PatchStrategy, setHeaderOptions } = await import('@kubernetes/client-node');
  await api.core.patchNode(
    { name: node, body: { spec: { unschedulable: unschedulable ? true : null } } },
    setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch),
  );
};

/** DaemonSet and mirror pods come back by themselves; finished pods hold nothing. `kubectl drain` skips the same. */
const evictable = (pod: V1Pod): boolean =>
  !(pod.metadata?.ownerReferences ?? []).some((owner) => owner.kind === 'DaemonSet') &&
  pod.metadata?.annotations?.['kubernetes.io/config.mirror'] === undefined &&
  !['Succeeded', 'Failed'].includes(pod.status?.phase ?? '');

/** Evicts through the eviction API, so that disruption budgets hold; bounded by `timeoutMs`. */
export const evictPods = async (
  api: KubeApi,
  node: string,
  timeoutMs: number,
  clock: Clock,
  timers: Timers,
): Promise<{ evicted: number; warnings: string[] }> => {
  const deadline = clock.monotonicMs() + timeoutMs;
  const evicted = new Set<string>();
  for (;;) {
    const pods = await api.core.listPodForAllNamespaces({ fieldSelector: `spec.nodeName=${node}` });
    const left = pods.items.filter(evictable);
    if (left.length === 0) return { evicted: evicted.size, warnings: [] };
    if (clock.monotonicMs() >= deadline) {
      const names = left.map((pod) => `${pod.metadata?.namespace}/${pod.metadata?.name}`);
      return { evicted: evicted.size, warnings: [`still running after ${timeoutMs / 1000} s: ${names.join(', ')}`] };
    }
    for (const pod of left) {
      const { name, namespace, deletionTimestamp } = pod.metadata!;
      if (deletionTimestamp === undefined && (await evict(api, name!, namespace!))) evicted.add(`${namespace}/${name}`);
    }
    await sleep(timers, RETRY_MS);
  }
};

/** False when a disruption budget does not allow it now (429) or the pod has gone (404). */
const evict = async (api: KubeApi, name: string, namespace: string): Promise<boolean> => {
  try {
    await api.core.createNamespacedPodEviction({ name, namespace, body: { metadata: { name, namespace } } });
    return true;
  } catch (error) {
    const code = (error as { code?: number }).code;
    if (code === 429 || code === 404) return false;
    throw error;
  }
};
