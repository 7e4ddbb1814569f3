import type { V1Node } from '@kubernetes/client-node';
import { NODE_GONE, problemOf } from './node-conditions.js';
import { MOST_NODES, type NodeSink } from './node-watch.js';

/** A node that was Ready and is so no more: a blink of kubelet is none of an operator's business. */
export const BLINK_MS = 5_000;
/** A member that has just joined may take this long until Kubernetes calls it Ready. */
export const JOIN_MS = 60_000;

const MOST_NAME = 253;

interface Seen {
  readonly problem: string | undefined;
  readonly sinceMs: number;
  readonly wasReady: boolean;
}

/** What the API last said of the nodes of one cluster, and for how long it has said so. */
export class ClusterView implements NodeSink {
  private readonly seen = new Map<string, Seen>();
  private complete = false;

  constructor(private readonly nowMs: () => number) {}

  listed(nodes: readonly V1Node[]): void {
    const names = new Set(nodes.map((node) => node.metadata?.name ?? ''));
    for (const name of this.seen.keys()) if (!names.has(name)) this.deleted(name);
    for (const node of nodes) this.changed(node);
    this.complete = true;
  }

  changed(node: V1Node): void {
    this.note(node.metadata?.name ?? '', problemOf(node));
  }

  deleted(name: string): void {
    this.note(name, NODE_GONE);
  }

  /** Of all nodes that are there now; undefined before it was listed. */
  names(): readonly string[] | undefined {
    if (!this.complete) return undefined;
    return [...this.seen].flatMap(([name, { problem }]) => (name === '' || problem === NODE_GONE ? [] : [name]));
  }

  /** `unknown` while nothing certain can be said: not listed yet, or a problem that is too young. */
  verdict(
    nodeName: string,
  ): { readonly kind: 'ready' | 'unknown' } | { readonly kind: 'problem'; readonly why: string } {
    if (!this.complete) return { kind: 'unknown' };
    if (!this.seen.has(nodeName)) this.note(nodeName, NODE_GONE);
    const { problem, sinceMs, wasReady } = this.seen.get(nodeName)!;
    if (problem === undefined) return { kind: 'ready' };
    return this.nowMs() - sinceMs >= (wasReady ? BLINK_MS : JOIN_MS)
      ? { kind: 'problem', why: problem }
      : { kind: 'unknown' };
  }

  private note(name: string, problem: string | undefined): void {
    // None that Kubernetes would take as a name; and of an endless row of names the first ones go.
    if (typeof name !== 'string' || name.length > MOST_NAME) return;
    if (!this.seen.has(name) && this.seen.size >= MOST_NODES) this.seen.delete(this.seen.keys().next().value!);
    const before = this.seen.get(name);
    if (before !== undefined && (before.problem === undefined) === (problem === undefined)) {
      if (before.problem !== problem) this.seen.set(name, { ...before, problem });
      return;
    }
    this.seen.set(name, {
      problem,
      sinceMs: this.nowMs(),
      wasReady: before?.problem === undefined && before !== undefined,
    });
  }
}
