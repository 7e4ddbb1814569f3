import { randomUUID } from 'node:crypto';
import type { Datastore } from '../datastore.js';
import { info, messageOf, warn } from '../log.js';
import type { KubeObject, Store } from '../store.js';
import { tuning } from '../version.js';

const KEY = '/registry/leases/kube-system/kube-controller-manager';

/**
 * Which server's controllers work, as kube-controller-manager decides it where the datastore has no leader of its own: a
 * Lease is held by who renews it, and taken over when it was not renewed for its duration by one's own clock.
 */
export class LeaderLease {
  private readonly identity: string;
  private renewedAt = -Infinity;
  private seen: { readonly revision: number; readonly at: number } | undefined;

  constructor(
    private readonly datastore: Pick<Datastore, 'propose' | 'readBarrier'>,
    private readonly store: Store,
    nodeName: string,
  ) {
    this.identity = `${nodeName}_${randomUUID()}`;
  }

  /** It ends before anybody else may take it: two thirds of the duration, as the real one's renew deadline. */
  get held(): boolean {
    return performance.now() - this.renewedAt < (tuning.leaderLeaseMs * 2) / 3;
  }

  start(): void {
    let busy = false;
    let failing = false;
    setInterval(() => {
      if (busy) return;
      busy = true;
      this.round()
        .then(() => (failing = false))
        .catch((cause: unknown) => {
          if (!failing) warn(`error retrieving resource lock kube-system/kube-controller-manager: ${messageOf(cause)}`);
          failing = true;
        })
        .finally(() => (busy = false));
    }, tuning.leaderLeaseMs / 8);
  }

  private async round(): Promise<void> {
    await this.datastore.readBarrier();
    const from = performance.now();
    const current = this.store.get(KEY);
    if (this.seen?.revision !== current?.revision) this.seen = { revision: current?.revision ?? 0, at: from };
    const spec = (current?.object['spec'] ?? {}) as { holderIdentity?: string; leaseTransitions?: number };
    const isMine = spec.holderIdentity === this.identity;
    if (current !== undefined && !isMine && from - this.seen!.at < tuning.leaderLeaseMs) return;
    const now = new Date().toISOString().replace('Z', '000Z');
    const transitions = (spec.leaseTransitions ?? 0) + Number(current !== undefined && !isMine);
    const lease = this.leaseOf(current?.object, now, isMine, transitions);
    const done = await this.datastore.propose({
      kind: 'txn',
      key: KEY,
      ifRevision: current?.revision ?? 0,
      value: JSON.stringify(lease),
    });
    if (!done.ok) return;
    if (!isMine) info(`successfully acquired lease kube-system/kube-controller-manager`);
    this.renewedAt = from;
  }

  private leaseOf(current: KubeObject | undefined, now: string, isMine: boolean, transitions: number): object {
    const before = (current?.['spec'] ?? {}) as object;
    const own = { holderIdentity: this.identity, leaseDurationSeconds: Math.ceil(tuning.leaderLeaseMs / 1_000) };
    const metadata = current?.metadata ?? {
      name: 'kube-controller-manager',
      namespace: 'kube-system',
      uid: randomUUID(),
      creationTimestamp: now.replace(/\.\d+Z$/, 'Z'),
    };
    const spec = {
      ...before,
      ...own,
      renewTime: now,
      leaseTransitions: transitions,
      ...(isMine ? {} : { acquireTime: now }),
    };
    return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec };
  }
}
