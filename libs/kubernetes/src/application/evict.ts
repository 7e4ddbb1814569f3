import type { V1Pod } from '@kubernetes/client-node';
import { sleep, type Clock, type Timers } from '#kernel';
import { named } from './api-said.js';
import { drainPlan, podName } from './drain-plan.js';
import type { KubeApi } from './kube-api.js';

const RETRY_MS = 1_000;
/** A budget that does not allow it now is asked again after as long as kubectl waits. */
const BUDGET_RETRY_MS = 5_000;
const AT_ONCE = 8;

/** Cordons or uncordons a node. A strategic merge patch, as kubectl sends it. */
export const setUnschedulable = async (api: KubeApi, node: string, unschedulable: boolean): Promise<void> => {
  const { PatchStrategy, setHeaderOptions } = await import('@kubernetes/client-node');
  await api.core.patchNode(
    { name: node, body: { spec: { unschedulable: unschedulable ? true : null } } },
    setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch),
  );
};

export interface EvictProgress {
  readonly evicted: number;
  readonly remaining: number;
  /** Pods that a disruption budget keeps for now; of many the first few, and how many more. */
  readonly blocked: readonly string[];
}

export interface EvictOptions {
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Told at the start and whenever the numbers changed. */
  readonly onProgress?: (progress: EvictProgress) => Promise<void>;
  /** Asked between rounds: an operator may have thought better of it. */
  readonly cancelled?: () => boolean;
}

export interface Evicted {
  readonly evicted: number;
  readonly warnings: readonly string[];
}

/** Evicts through the eviction API, so that disruption budgets hold; bounded by `timeoutMs`. */
export const evictPods = async (api: KubeApi, node: string, options: EvictOptions): Promise<Evicted> => {
  const { clock, timers, timeoutMs } = options;
  const deadline = clock.monotonicMs() + timeoutMs;
  const evicted = new Set<string>();
  const blockedUntil = new Map<string, number>();
  const notes = new Set<string>();
  let told = '';
  for (;;) {
    const pods = await api.core.listPodForAllNamespaces({ fieldSelector: `spec.nodeName=${node}` });
    const { leaving, notes: fresh } = drainPlan(pods.items);
    if (told === '') fresh.forEach((note) => notes.add(note));
    if (leaving.length === 0) return { evicted: evicted.size, warnings: [...notes] };
    const blocked = leaving.map(podName).filter((name) => blockedUntil.has(name));
    const progress = { evicted: evicted.size, remaining: leaving.length, blocked: named(blocked) };
    if (JSON.stringify(progress) !== told) await options.onProgress?.(progress);
    told = JSON.stringify(progress);
    const end = ended(options, deadline, leaving, blocked);
    if (end !== undefined) return { evicted: evicted.size, warnings: [...notes, end] };
    const due = leaving.filter(
      (pod) =>
        pod.metadata?.deletionTimestamp === undefined && (blockedUntil.get(podName(pod)) ?? 0) <= clock.monotonicMs(),
    );
    // One round of many pods may take longer than there is.
    const late = () => clock.monotonicMs() >= deadline || options.cancelled?.() === true;
    await sideBySide(due, late, async (pod) => {
      if (await evict(api, pod)) {
        evicted.add(podName(pod));
        blockedUntil.delete(podName(pod));
      } else blockedUntil.set(podName(pod), clock.monotonicMs() + BUDGET_RETRY_MS);
    });
    await sleep(timers, RETRY_MS);
  }
};

const ended = (
  { clock, timeoutMs, cancelled }: EvictOptions,
  deadline: number,
  leaving: readonly V1Pod[],
  blocked: readonly string[],
): string | undefined => {
  if (cancelled?.() === true) return 'the drain was called off';
  if (clock.monotonicMs() < deadline) return undefined;
  const budget = blocked.length === 0 ? '' : `; kept by disruption budgets: ${named(blocked).join(', ')}`;
  return `still running after ${Math.round(timeoutMs / 1_000)} s: ${named(leaving.map(podName)).join(', ')}${budget}`;
};

const sideBySide = async (
  pods: readonly V1Pod[],
  late: () => boolean,
  act: (pod: V1Pod) => Promise<void>,
): Promise<void> => {
  const queue = [...pods];
  const work = async () => {
    for (let pod = queue.shift(); pod !== undefined && !late(); pod = queue.shift()) await act(pod);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, queue.length) }, work));
};

/** False when it is not allowed now (429: a disruption budget, or a busy API server). A pod that has gone (404) is evicted. */
const evict = async (api: KubeApi, pod: V1Pod): Promise<boolean> => {
  const { name, namespace } = { name: pod.metadata!.name!, namespace: pod.metadata!.namespace! };
  try {
    await api.core.createNamespacedPodEviction({ name, namespace, body: { metadata: { name, namespace } } });
    return true;
  } catch (error) {
    const code = (error as { code?: number }).code;
    if (code === 404) return true;
    if (code === 429) return false;
    throw error;
  }
};
