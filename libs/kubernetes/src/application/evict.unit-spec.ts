import type { V1Pod } from '@kubernetes/client-node';
import { ManualClock } from '#kernel';
import { drainPlan } from './drain-plan.js';
import { evictPods, type EvictProgress } from './evict.js';
import type { KubeApi } from './kube-api.js';

const pod = (name: string, more: Partial<V1Pod> = {}): V1Pod => ({
  ...more,
  metadata: { name, namespace: 'default', ownerReferences: [owner('ReplicaSet')], ...more.metadata },
});
const owner = (kind: string) => ({ apiVersion: 'apps/v1', kind, name: 'o', uid: 'u', controller: true });

/** An API server with pods; each eviction is answered by what `budget` says. */
const cluster = (pods: V1Pod[], budget: (name: string) => 'ok' | 429 | 500 = () => 'ok') => {
  const asked: string[] = [];
  const core = {
    listPodForAllNamespaces: async () => ({ items: [...pods] }),
    createNamespacedPodEviction: async ({ name }: { name: string }) => {
      asked.push(name);
      const answer = budget(name);
      if (answer !== 'ok') throw Object.assign(new Error(String(answer)), { code: answer });
      pods = pods.filter((p) => p.metadata?.name !== name);
    },
  };
  return { api: { core } as unknown as KubeApi, asked };
};

const drained = async (api: KubeApi, more: { timeoutMs?: number; cancelled?: () => boolean } = {}) => {
  const clock = new ManualClock();
  const progress: EvictProgress[] = [];
  const onProgress = async (p: EvictProgress) => void progress.push(p);
  let result: Awaited<ReturnType<typeof evictPods>> | Error | undefined;
  const options = { timeoutMs: 60_000, clock, timers: clock, onProgress, ...more };
  void evictPods(api, 'n', options).then(
    (value) => (result = value),
    (error: Error) => (result = error),
  );
  for (let i = 0; i < 200 && result === undefined; i++) {
    await clock.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { result, progress };
};

describe('which pods a drain moves', () => {
  it('leaves those of DaemonSets, mirror pods and finished ones where they are', () => {
    const { leaving, notes } = drainPlan([
      pod('web'),
      pod('daemon', { metadata: { ownerReferences: [owner('DaemonSet')] } }),
      pod('mirror', { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }),
      pod('done', { status: { phase: 'Succeeded' } }),
    ]);
    expect(leaving.map((p) => p.metadata?.name)).toEqual(['web']);
    expect(notes).toEqual([]);
  });

  it('says which lose the data in an emptyDir, and which nothing will start again', () => {
    const { notes } = drainPlan([
      pod('cache', { spec: { containers: [], volumes: [{ name: 'v', emptyDir: {} }] } }),
      pod('bare', { metadata: { ownerReferences: [] } }),
    ]);
    expect(notes).toEqual([
      'their emptyDir data is gone: default/cache',
      'nothing will start them again (no controller): default/bare',
    ]);
  });
});

describe('evicting pods', () => {
  it('ends when none is left, and counts them', async () => {
    const { api, asked } = cluster([pod('a'), pod('b')]);
    const { result, progress } = await drained(api);
    expect(result).toEqual({ evicted: 2, warnings: [] });
    expect(asked.sort()).toEqual(['a', 'b']);
    expect(progress).toEqual([{ evicted: 0, remaining: 2, blocked: [] }]);
  });

  it('asks again while a disruption budget says no, without hammering, and says who is kept', async () => {
    let no = 3;
    const { api, asked } = cluster([pod('a')], () => (no-- > 0 ? 429 : 'ok'));
    const { result, progress } = await drained(api);
    expect(result).toEqual({ evicted: 1, warnings: [] });
    expect(asked).toHaveLength(4);
    expect(progress.at(-1)).toEqual({ evicted: 0, remaining: 1, blocked: ['default/a'] });
  });

  it('is bounded: what a budget never lets go is named when the time is up', async () => {
    const { api } = cluster([pod('a'), pod('b')], (name) => (name === 'a' ? 429 : 'ok'));
    const { result } = await drained(api, { timeoutMs: 20_000 });
    expect(result).toEqual({
      evicted: 1,
      warnings: ['still running after 20 s: default/a; kept by disruption budgets: default/a'],
    });
  });

  it('can be called off, and passes on what is no refusal', async () => {
    expect((await drained(cluster([pod('a')], () => 429).api, { cancelled: () => true })).result).toEqual({
      evicted: 0,
      warnings: ['the drain was called off'],
    });
    expect((await drained(cluster([pod('a')], () => 500).api)).result).toBeInstanceOf(Error);
  });
});
