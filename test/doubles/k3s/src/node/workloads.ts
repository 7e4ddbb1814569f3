import type { Crud } from '../api/crud.js';
import { keyOf, resourceNamed } from '../api/resources.js';
import { matchesLabelSelector } from '../api/selectors.js';
import { info } from '../log.js';
import type { KubeObject } from '../store.js';

const pods = resourceNamed('pods');
const nodes = resourceNamed('nodes');
const sets = resourceNamed('replicasets');
const budgets = resourceNamed('poddisruptionbudgets');
const secrets = resourceNamed('secrets');
const everything = (): boolean => true;

interface SetSpec {
  readonly replicas?: number;
  readonly selector?: unknown;
  readonly template?: { readonly metadata?: { labels?: Record<string, string> }; readonly spec?: object };
}

const isAlive = (pod: KubeObject): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  !['Succeeded', 'Failed'].includes((pod['status'] as { phase?: string } | undefined)?.phase ?? '');

/** The controllers that drains and lost nodes need: replica sets, disruption budgets, the pod and token collectors. */
export class Workloads {
  private knownNodes = new Set<string>();

  constructor(private readonly crud: Crud) {}

  async round(): Promise<void> {
    await this.collectPods();
    await this.collectTokens();
    for (const set of this.crud.list(sets, undefined, everything)) await this.replicate(set);
    for (const budget of this.crud.list(budgets, undefined, everything)) await this.count(budget);
  }

  private podsOf(namespace: string | undefined, selector: unknown): KubeObject[] {
    return this.crud.list(pods, namespace, (pod) => matchesLabelSelector(selector, pod.metadata.labels ?? {}));
  }

  private async replicate(set: KubeObject): Promise<void> {
    const { namespace, name, uid } = set.metadata;
    const spec = (set['spec'] ?? {}) as SetSpec;
    const alive = this.podsOf(namespace, spec.selector).filter(isAlive);
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid, controller: true, blockOwnerDeletion: true };
    for (let n = alive.length; n < (spec.replicas ?? 1); n++) {
      const metadata = { generateName: `${name}-`, labels: spec.template?.metadata?.labels, ownerReferences: [owner] };
      await this.crud.create(pods, namespace, JSON.stringify({ metadata, spec: spec.template?.spec }));
    }
    for (const pod of alive.slice(spec.replicas ?? 1))
      await this.crud.delete({ type: pods, namespace, name: pod.metadata.name }, {});
    const ready = alive.filter((p) => (p['status'] as { phase?: string } | undefined)?.phase === 'Running').length;
    await this.setStatus(set, sets, { replicas: alive.length, readyReplicas: ready, availableReplicas: ready });
  }

  private async count(budget: KubeObject): Promise<void> {
    const spec = (budget['spec'] ?? {}) as { selector?: unknown };
    const covered = this.podsOf(budget.metadata.namespace, spec.selector);
    await this.setStatus(budget, budgets, this.crud.budgetStatus(budget, covered));
  }

  /** Pods of a node that is no more are deleted at once: nobody is left who could stop them. */
  private async collectPods(): Promise<void> {
    const names = new Set(this.crud.list(nodes, undefined, everything).map((node) => node.metadata.name));
    for (const pod of this.crud.list(pods, undefined, everything)) {
      const on = (pod['spec'] as { nodeName?: string } | undefined)?.nodeName ?? '';
      if (on === '' || names.has(on)) continue;
      await this.crud.delete(
        { type: pods, namespace: pod.metadata.namespace, name: pod.metadata.name },
        { gracePeriodSeconds: 0 },
      );
    }
    for (const gone of [...this.knownNodes].filter((name) => !names.has(name))) await this.forgetPassword(gone);
    this.knownNodes = names;
  }

  private async forgetPassword(node: string): Promise<void> {
    const name = `${node}.node-password.k3s`;
    if (this.crud.store.get(keyOf(secrets, 'kube-system', name)) === undefined) return;
    info(`Deleting node password of ${node}`);
    await this.crud.delete({ type: secrets, namespace: 'kube-system', name }, {});
  }

  private async collectTokens(): Promise<void> {
    for (const secret of this.crud.list(secrets, 'kube-system', everything)) {
      if (secret['type'] !== 'bootstrap.kubernetes.io/token') continue;
      const data = (secret['data'] ?? {}) as Record<string, string>;
      const expiration = Buffer.from(data['expiration'] ?? '', 'base64').toString('utf8');
      if (expiration === '' || Date.parse(expiration) > Date.now()) continue;
      await this.crud.delete({ type: secrets, namespace: 'kube-system', name: secret.metadata.name }, {});
    }
  }

  private async setStatus(object: KubeObject, type: typeof sets, status: object): Promise<void> {
    const { namespace, name } = object.metadata;
    const same = JSON.stringify({ ...(object['status'] as object), ...status }) === JSON.stringify(object['status']);
    if (!same)
      await this.crud.change({ type, namespace, name }, (o) => ({
        ...o,
        status: { ...(o['status'] as object), ...status },
      }));
  }
}
