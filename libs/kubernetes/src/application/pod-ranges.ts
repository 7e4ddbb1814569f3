import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { V1Node } from '@kubernetes/client-node';
import { CLOCK, deterministicUuid, LOG, TIMERS, type Cancel, type Clock, type Log, type Timers } from '#kernel';
import { AGENT_LINK, type AgentLink } from '#agent-gateway';
import { COMMAND_DISPATCHER, type CommandContext, type CommandDispatcher } from '#processing';
import { AssignPeerPodCidr, canonical, contains, mustCidr, parseCidr } from '#sdwan';
import type { Cluster } from '../domain/cluster/state.js';
import { apiSaid } from './api-said.js';
import { KubernetesDirectory, type KnownPeer } from './directory.js';
import { KubeApis } from './kube-api.js';

type KnownCluster = Cluster & { readonly accountId: string };

/** A node that has joined gets its range within a second or so; a node that was deleted and joined again gets another. */
const LOOK_MS = 2_000;
const LOOK_AGAIN_MS = 60_000;
/** A server that trickles its answer gets no more than this; the handshake and the answer have bounds of their own. */
export const LIST_MS = 30_000;

/**
 * Kubernetes decides which part of the pod network a node gets; the overlay must know it, because WireGuard drops what
 * is not in a peer's AllowedIPs. Looks through the Tunnel while a node's range is missing, and once a minute.
 */
@Injectable()
export class PodRanges implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly lookedMs = new Map<string, number>();
  /** Clusters of which an answer is awaited: one tenant's server must not hold up the others. */
  private readonly looking = new Set<string>();
  private cancel: Cancel | undefined;

  constructor(
    @Inject(KubernetesDirectory) private readonly directory: KubernetesDirectory,
    @Inject(AGENT_LINK) private readonly link: Pick<AgentLink, 'liveness'>,
    @Inject(KubeApis) private readonly apis: Pick<KubeApis, 'open'>,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TIMERS) private readonly timers: Timers,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.cancel = this.timers.every(LOOK_MS, () => void this.look());
  }

  onModuleDestroy(): void {
    this.cancel?.();
  }

  /** One round over all clusters on a network with a pod_subnet_prefix. Never throws. */
  async look(): Promise<void> {
    const now = this.clock.monotonicMs();
    const looks: Promise<void>[] = [];
    for (const cluster of this.directory.clusters.values()) {
      const prefix = this.prefixOf(cluster);
      if (prefix === undefined || this.looking.has(cluster.id)) continue;
      // Agents are where the lead is: a waiting process has none and looks at nothing.
      if (!serversOf(cluster).some((id) => this.link.liveness(id).connected)) continue;
      const due = now - (this.lookedMs.get(cluster.id) ?? -Infinity) >= LOOK_AGAIN_MS;
      if (!due && !this.isMissing(cluster)) continue;
      this.lookedMs.set(cluster.id, now);
      this.looking.add(cluster.id);
      looks.push(this.lookAt(cluster, prefix).finally(() => this.looking.delete(cluster.id)));
    }
    await Promise.all(looks);
  }

  private async lookAt(cluster: KnownCluster, prefix: string): Promise<void> {
    try {
      await this.assign(cluster, prefix);
    } catch (error) {
      // The next round looks again; until then pods of a new node are not routed, which is worth knowing.
      this.log.warn({ cluster: cluster.id, error: apiSaid(error) }, 'cannot read the pod ranges of nodes');
    }
  }

  private prefixOf(cluster: KnownCluster): string | undefined {
    const { status, kubeconfigRef, networkId, podCidr } = cluster;
    if (status === 'decommissioned' || kubeconfigRef === null || networkId === null || podCidr === null)
      return undefined;
    return this.directory.networks.get(networkId)?.podSubnetPrefix ?? undefined;
  }

  private peersOf(cluster: KnownCluster): Map<string, KnownPeer> {
    const peers = new Map<string, KnownPeer>();
    for (const [instanceId, node] of cluster.nodes) {
      const peer = this.directory.peerOf(instanceId, cluster.networkId);
      if (node.nodeName !== null && peer !== undefined) peers.set(node.nodeName, peer);
    }
    return peers;
  }

  private isMissing(cluster: KnownCluster): boolean {
    return [...this.peersOf(cluster).values()].some((peer) => peer.podCidrs.length === 0);
  }

  private async assign(cluster: KnownCluster, prefix: string): Promise<void> {
    const nodes = await this.nodes(cluster);
    const peers = this.peersOf(cluster);
    const taken = inUse(nodes, peers);
    for (const node of nodes) {
      const peer = peers.get(node.metadata?.name ?? '');
      if (peer === undefined) continue;
      for (const range of rangesOf(node).filter((cidr) => contains(mustCidr(prefix), mustCidr(cidr)))) {
        if (peer.podCidrs.includes(range)) continue;
        if (this.isHeldBy(taken, cluster, range)) {
          this.log.warn({ peer: peer.peerId, range }, 'pod range not taken: a node in use has it');
          continue;
        }
        taken.add(range);
        const payload = { peer_id: peer.peerId, pod_cidr: range };
        const answer = await this.dispatcher.dispatch(
          new AssignPeerPodCidr(payload, this.context(cluster, peer, range)),
        );
        if (answer.kind === 'refused')
          this.log.warn({ peer: peer.peerId, range, code: answer.refusal.code }, 'pod range not taken');
      }
    }
  }

  /** Taking a range from a node that is told the same would hand it to and fro for ever. */
  private isHeldBy(taken: ReadonlySet<string>, cluster: KnownCluster, range: string): boolean {
    if (taken.has(range)) return true;
    return [...this.directory.clusters.values()]
      .filter((other) => other.id !== cluster.id && other.networkId === cluster.networkId)
      .some((other) => [...this.peersOf(other).values()].some((peer) => peer.podCidrs.includes(range)));
  }

  private async nodes(cluster: KnownCluster): Promise<readonly V1Node[]> {
    const target = { clusterName: cluster.name, kubeconfigRef: cluster.kubeconfigRef!, servers: serversOf(cluster) };
    const api = await this.apis.open(target);
    let cancel: Cancel | undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = this.timers.after(LIST_MS, () => reject(new Error(`no list of nodes within ${LIST_MS} ms`)));
    });
    try {
      const list = await Promise.race([api.core.listNode(), late]);
      await api.close();
      return list.items;
    } catch (error) {
      // Closing would wait for the answer that nobody wants any more.
      await (api.destroy?.(error as Error) ?? api.close());
      throw error;
    } finally {
      cancel?.();
    }
  }

  private context(cluster: KnownCluster, peer: KnownPeer, range: string): CommandContext {
    const nowMs = this.clock.wallMs();
    const commandId = deterministicUuid('pod_range', cluster.id, peer.peerId, range, nowMs);
    return {
      commandId,
      correlationId: commandId,
      causationId: commandId,
      accountId: cluster.accountId,
      actor: { kind: 'system', id: 'pod_ranges' },
      nowMs,
    };
  }
}

const serversOf = (cluster: KnownCluster): string[] =>
  [...cluster.nodes].filter(([, node]) => node.role === 'server').map(([id]) => id);

/** What a node's API object says is text of a tenant: only prefixes count, and one of each family. */
const rangesOf = (node: V1Node): string[] => {
  const said = node.spec?.podCIDRs ?? (node.spec?.podCIDR === undefined ? [] : [node.spec.podCIDR]);
  const valid = said.flatMap((text) => parseCidr(text) ?? []);
  return ([4, 6] as const).flatMap((family) => valid.find((cidr) => cidr.family === family) ?? []).map(canonical);
};

/** The ranges that nodes of this very list have already and keep. */
const inUse = (nodes: readonly V1Node[], peers: ReadonlyMap<string, KnownPeer>): Set<string> =>
  new Set(
    nodes.flatMap((node) => {
      const held = peers.get(node.metadata?.name ?? '')?.podCidrs ?? [];
      return rangesOf(node).filter((range) => held.includes(range));
    }),
  );
