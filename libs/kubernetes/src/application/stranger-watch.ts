import { deterministicUuid, type Clock } from '#kernel';
import type { CommandContext } from '#processing';
import { sameStrangers, strangersOf } from '../domain/cluster/strangers.js';
import type { Cluster } from '../domain/cluster/state.js';
import type { ClusterView } from './cluster-view.js';
import type { Clusters } from './clusters.js';
import type { KubernetesDirectory } from './directory.js';

/** A node may stand there before its join is reported here, and after it was removed here. */
export const STRANGER_GRACE_MS = 300_000;
/** An API that shows other nodes every moment is not written down every moment. */
export const STRANGER_PAUSE_MS = 60_000;

type KnownCluster = Cluster & { readonly accountId: string };

/**
 * What stands among a cluster's nodes and is no member of it, by its name (which Kubernetes lets nobody else bear). It is told
 * once for each set of them and taken back when none is left. Nothing is deleted: the cluster is its owner's.
 */
export class StrangerWatch {
  private readonly since = new Map<string, number>();
  private begunMs: number | undefined;
  private quietUntilMs = 0;

  constructor(
    private readonly directory: Pick<KubernetesDirectory, 'instances'>,
    private readonly clusters: Pick<Clusters, 'apply'>,
    private readonly clock: Clock,
    private readonly graceMs = STRANGER_GRACE_MS,
  ) {}

  async judge(cluster: KnownCluster, view: Pick<ClusterView, 'names'>): Promise<void> {
    const now = this.clock.monotonicMs();
    const due = this.due(cluster, view.names(), now);
    if (due === undefined || sameStrangers(cluster.strangers, strangersOf(due)) || now < this.quietUntilMs) return;
    await this.clusters.apply(cluster.id, { type: 'strangers', names: due }, this.context(cluster));
    this.quietUntilMs = now + STRANGER_PAUSE_MS;
  }

  /** Undefined until it was looked at for as long as a stranger has: else what was told before a restart would be taken back. */
  private due(cluster: Cluster, names: readonly string[] | undefined, now: number): readonly string[] | undefined {
    if (names === undefined) return undefined;
    const members = this.namesOfMembers(cluster);
    const strange = new Set(names.filter((name) => !members.has(name)));
    for (const name of this.since.keys()) if (!strange.has(name)) this.since.delete(name);
    for (const name of strange) if (!this.since.has(name)) this.since.set(name, now);
    this.begunMs ??= now;
    if (now - this.begunMs < this.graceMs) return undefined;
    return [...strange].filter((name) => now - this.since.get(name)! >= this.graceMs);
  }

  /** Of those that are still joining as well: their Node comes first. */
  private namesOfMembers(cluster: Cluster): ReadonlySet<string> {
    const nameOf = (id: string) => this.directory.instances.get(id)?.name ?? id;
    const members = [...cluster.nodes].flatMap(([id, node]) => [nameOf(id), node.nodeName ?? '']);
    return new Set([...members, nameOf(cluster.claimant)]);
  }

  private context({ id, accountId }: KnownCluster): CommandContext {
    const nowMs = this.clock.wallMs();
    const commandId = deterministicUuid('strangers', id, nowMs);
    const actor = { kind: 'system', id: 'kubernetes_api' } as const;
    return { commandId, correlationId: commandId, causationId: commandId, accountId, actor, nowMs };
  }
}
