import type { StateMachine, Txn, TxnResult } from './raft/types.js';
import { tuning } from './version.js';

export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    creationTimestamp?: string;
    deletionTimestamp?: string;
    deletionGracePeriodSeconds?: number;
    generation?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    finalizers?: string[];
    [key: string]: unknown;
  };
  [key: string]: unknown;
}

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly revision: number;
  readonly key: string;
  readonly object: KubeObject;
  readonly previous: KubeObject | undefined;
}

/** The replicated key-value state, shaped as etcd: one revision per write, a bounded history to resume watches from. */
export class Store implements StateMachine {
  private values = new Map<string, { revision: number; object: KubeObject }>();
  private events: StoreEvent[] = [];
  private compactedTo = 0;
  private readonly listeners = new Set<(event: StoreEvent | 'reset') => void>();
  revision = 1;

  apply(txn: Txn): TxnResult {
    const current = this.values.get(txn.key);
    if (txn.ifRevision !== undefined && txn.ifRevision !== (current?.revision ?? 0))
      return { ok: false, current: current?.revision ?? 0 };
    if (txn.value === null && current === undefined) return { ok: false, current: 0 };
    const revision = this.revision + 1;
    this.record(revision, txn.key, txn.value);
    return { ok: true, revision };
  }

  /** A write that was decided elsewhere; null deletes. */
  record(revision: number, key: string, value: string | null): void {
    const current = this.values.get(key);
    this.revision = revision;
    if (value === null && current === undefined) return;
    if (value === null) this.values.delete(key);
    const object = stamp(value === null ? current!.object : (JSON.parse(value) as KubeObject), revision);
    if (value !== null) this.values.set(key, { revision, object });
    const type = value === null ? 'DELETED' : current === undefined ? 'ADDED' : 'MODIFIED';
    this.tell({ type, revision, key, object, previous: current?.object });
  }

  get(key: string): { revision: number; object: KubeObject } | undefined {
    return this.values.get(key);
  }

  list(prefix: string): KubeObject[] {
    const keys = [...this.values.keys()].filter((key) => key.startsWith(prefix)).sort();
    return keys.map((key) => this.values.get(key)!.object);
  }

  /** Events after a revision, or undefined when they are compacted (410 Gone). */
  since(revision: number): readonly StoreEvent[] | undefined {
    return revision < this.compactedTo ? undefined : this.events.filter((event) => event.revision > revision);
  }

  subscribe(listener: (event: StoreEvent | 'reset') => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  serialize(): string {
    return JSON.stringify({ revision: this.revision, values: [...this.values] });
  }

  restore(state: string): void {
    const parsed = JSON.parse(state) as {
      revision: number;
      values: [string, { revision: number; object: KubeObject }][];
    };
    this.revision = parsed.revision;
    this.values = new Map(parsed.values);
    this.events = [];
    this.compactedTo = parsed.revision;
    for (const listener of this.listeners) listener('reset'); // watchers can't know what they missed: they get 410
  }

  private tell(event: StoreEvent): void {
    this.events.push(event);
    const { history } = tuning;
    if (this.events.length > history) this.compactedTo = this.events.splice(0, Math.ceil(history / 4)).at(-1)!.revision;
    for (const listener of this.listeners) listener(event);
  }
}

const stamp = (object: KubeObject, revision: number): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion: String(revision) },
});
