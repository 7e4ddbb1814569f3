import type { Datastore } from '../datastore.js';
import type { KubeObject, Store } from '../store.js';
import { prepareCreate, prepareUpdate, readObject, toSeconds } from './objects.js';
import { applyPatch } from './patch.js';
import { keyOf, prefixOf, resourceNamed, resourceTypes, type ResourceType } from './resources.js';
import { matchesLabelSelector, type Predicate } from './selectors.js';
import { ApiError, alreadyExists, conflict, notFound } from './status.js';

export interface Target {
  readonly type: ResourceType;
  readonly namespace: string | undefined;
  readonly name: string;
}
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

const ATTEMPTS = 8;

/** Reads and conditional writes over the replicated store. */
export class Crud {
  constructor(
    readonly store: Store,
    private readonly datastore: Datastore,
  ) {}

  get({ type, namespace, name }: Target): KubeObject {
    const found = this.store.get(keyOf(type, namespace, name));
    if (found === undefined) throw notFound(qualified(type), name);
    return found.object;
  }

  list(type: ResourceType, namespace: string | undefined, matches: Predicate): KubeObject[] {
    return this.store.list(prefixOf(type, type.namespaced ? namespace : undefined)).filter(matches);
  }

  async create(type: ResourceType, namespace: string | undefined, body: string, dryRun = false): Promise<KubeObject> {
    if (type.namespaced && this.store.get(keyOf(resourceNamed('namespaces'), undefined, namespace!)) === undefined)
      throw notFound('namespaces', namespace!);
    const object = prepareCreate(type, namespace, readObject(type, body), Date.now());
    if (dryRun) return object;
    const result = await this.datastore.propose({
      kind: 'txn',
      key: keyOf(type, namespace, object.metadata.name),
      ifRevision: 0,
      value: JSON.stringify(object),
    });
    if (!result.ok) throw alreadyExists(qualified(type), object.metadata.name);
    return at(object, result.revision);
  }

  async update(target: Target, body: string, subresource?: string): Promise<KubeObject> {
    const next = readObject(target.type, body);
    const wanted = next.metadata.resourceVersion;
    return this.change(target, (current) => {
      if (wanted !== undefined && wanted !== '' && wanted !== current.metadata.resourceVersion)
        throw conflict(qualified(target.type), target.name);
      return prepareUpdate(target.type, current, next, subresource);
    });
  }

  async patch(target: Target, contentType: string, body: string, subresource?: string): Promise<KubeObject> {
    const apply = contentType.startsWith('application/apply-patch');
    if (apply && this.store.get(keyOf(target.type, target.namespace, target.name)) === undefined)
      return this.create(target.type, target.namespace, body);
    return this.change(target, (current) => {
      const next = applyPatch(current, contentType, body);
      if (next.metadata.resourceVersion !== current.metadata.resourceVersion)
        throw conflict(qualified(target.type), target.name);
      return prepareUpdate(target.type, current, next, subresource);
    });
  }

  /** Read, change, write if unchanged, again; a lost race is retried, a refusal of the change is the answer. */
  async change(target: Target, edit: (current: KubeObject) => KubeObject): Promise<KubeObject> {
    const key = keyOf(target.type, target.namespace, target.name);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const current = this.get(target);
      const next = edit(current);
      if (JSON.stringify(next) === JSON.stringify(current)) return current;
      const finalised =
        next.metadata.deletionTimestamp !== undefined &&
        (next.metadata.finalizers ?? []).length === 0 &&
        (current.metadata.finalizers ?? []).length > 0;
      const value = finalised ? null : JSON.stringify(next);
      const result = await this.datastore.propose({
        kind: 'txn',
        key,
        ifRevision: Number(current.metadata.resourceVersion),
        value,
      });
      if (result.ok) return at(next, result.revision);
    }
    throw conflict(qualified(target.type), target.name);
  }

  async delete(target: Target, options: DeleteOptions): Promise<KubeObject> {
    const current = this.get(target);
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (
      (uid ?? current.metadata.uid) !== current.metadata.uid ||
      (resourceVersion ?? current.metadata.resourceVersion) !== current.metadata.resourceVersion
    )
      throw conflict(qualified(target.type), target.name);
    if (this.isGraceful(target.type, current, options)) return this.change(target, (pod) => terminating(pod, options));
    if ((current.metadata.finalizers ?? []).length > 0) return this.change(target, (o) => terminating(o, options));
    if (target.type.resource === 'namespaces') await this.emptyNamespace(target.name);
    await this.datastore.propose({ kind: 'txn', key: keyOf(target.type, target.namespace, target.name), value: null });
    return current;
  }

  /** policy/v1 Eviction: a graceful delete that respects disruption budgets. */
  async evict(target: Target, options: DeleteOptions): Promise<void> {
    const pod = this.get(target);
    for (const budget of this.list(resourceNamed('poddisruptionbudgets'), target.namespace, () => true)) {
      const spec = (budget['spec'] ?? {}) as BudgetSpec & { selector?: unknown };
      if (!matchesLabelSelector(spec.selector, pod.metadata.labels ?? {})) continue;
      const covered = this.list(resourceNamed('pods'), target.namespace, (p) =>
        matchesLabelSelector(spec.selector, p.metadata.labels ?? {}),
      );
      const { disruptionsAllowed, currentHealthy, desiredHealthy } = budgetStatus(spec, covered);
      if (disruptionsAllowed < 1 && isHealthy(pod)) {
        const message = `The disruption budget ${budget.metadata.name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
        throw new ApiError(429, "Cannot evict pod as it would violate the pod's disruption budget.", {
          causes: [{ reason: 'DisruptionBudget', message }],
        });
      }
    }
    await this.delete(target, options);
  }

  budgetStatus(budget: KubeObject, covered: readonly KubeObject[]): object {
    return budgetStatus((budget['spec'] ?? {}) as BudgetSpec, covered);
  }

  private isGraceful(type: ResourceType, pod: KubeObject, options: DeleteOptions): boolean {
    return (
      type.resource === 'pods' &&
      options.gracePeriodSeconds !== 0 &&
      ((pod['spec'] as { nodeName?: string }).nodeName ?? '') !== ''
    );
  }

  private async emptyNamespace(name: string): Promise<void> {
    for (const type of resourceTypes.filter((t) => t.namespaced))
      for (const object of this.store.list(prefixOf(type, name)))
        await this.datastore.propose({ kind: 'txn', key: keyOf(type, name, object.metadata.name), value: null });
  }
}

const qualified = (type: ResourceType): string =>
  type.group === '' ? type.resource : `${type.resource}.${type.group}`;
const at = (object: KubeObject, revision: number): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion: String(revision) },
});
const terminating = (object: KubeObject, options: DeleteOptions): KubeObject =>
  object.metadata.deletionTimestamp !== undefined
    ? object
    : {
        ...object,
        metadata: {
          ...object.metadata,
          deletionTimestamp: toSeconds(Date.now()),
          deletionGracePeriodSeconds: options.gracePeriodSeconds ?? 30,
        },
      };

const count = (value: number | string, of: number): number =>
  typeof value === 'number' ? value : Math.ceil((parseFloat(value) / 100) * of);
interface BudgetSpec {
  readonly minAvailable?: number | string;
  readonly maxUnavailable?: number | string;
}
const isHealthy = (pod: KubeObject): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  (pod['status'] as { phase?: string } | undefined)?.phase === 'Running';

/** As the disruption controller counts; what a budget covers are the pods that there are. */
const budgetStatus = (spec: BudgetSpec, pods: readonly KubeObject[]) => {
  const expectedPods = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined).length;
  const currentHealthy = pods.filter(isHealthy).length;
  const desiredHealthy =
    spec.minAvailable !== undefined
      ? count(spec.minAvailable, expectedPods)
      : expectedPods - count(spec.maxUnavailable ?? 1, expectedPods);
  return {
    expectedPods,
    currentHealthy,
    desiredHealthy: Math.max(0, desiredHealthy),
    disruptionsAllowed: Math.max(0, currentHealthy - desiredHealthy),
  };
};
