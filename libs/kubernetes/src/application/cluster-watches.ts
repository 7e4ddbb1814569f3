import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { CLOCK, LOG, RANDOM, TIMERS, type Cancel, type Clock, type Log, type Random, type Timers } from '#kernel';
import { AGENT_LINK, type AgentLink } from '#agent-gateway';
import { TRANSACTOR, type Transactor } from '#processing';
import type { Cluster } from '../domain/cluster/state.js';
import { ApiAccess } from './api-access.js';
import { apiSaid } from './api-said.js';
import { ClusterView } from './cluster-view.js';
import { Clusters } from './clusters.js';
import { KubernetesDirectory } from './directory.js';
import { KubeApis } from './kube-api.js';
import { NodeHealth } from './node-health.js';
import { followNodes, type NodeSink } from './node-watch.js';
import { StrangerWatch } from './stranger-watch.js';

const LOOK_MS = 2_000;

type KnownCluster = Cluster & { readonly accountId: string };

interface Followed {
  readonly view: ClusterView;
  readonly strangers: StrangerWatch;
  readonly access: ApiAccess;
  readonly stop: AbortController;
  failed: boolean;
}

/**
 * Watches the nodes of every cluster through the Tunnel of one of its servers, on the platform process that this server's agent
 * is connected to. What Kubernetes says of them becomes not_ready and ready.
 */
@Injectable()
export class ClusterWatches implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly followed = new Map<string, Followed>();
  private readonly health: NodeHealth;
  private readonly clusters: Clusters;
  private cancel: Cancel | undefined;
  private looking = false;

  constructor(
    @Inject(KubernetesDirectory) private readonly directory: KubernetesDirectory,
    @Inject(AGENT_LINK) private readonly link: Pick<AgentLink, 'liveness'>,
    @Inject(KubeApis) private readonly apis: Pick<KubeApis, 'open' | 'watches'>,
    @Inject(TRANSACTOR) transactor: Transactor,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TIMERS) private readonly timers: Timers,
    @Inject(RANDOM) private readonly random: Random,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.clusters = new Clusters(transactor);
    this.health = new NodeHealth(directory, this.clusters, clock);
  }

  onApplicationBootstrap(): void {
    // A fork of the platform has no API to watch; what it would say is assumed.
    if (this.apis.watches === true) this.cancel = this.timers.every(LOOK_MS, () => void this.look());
  }

  onModuleDestroy(): void {
    this.cancel?.();
    for (const { stop } of this.followed.values()) stop.abort();
  }

  /** One round: watches begin and end with the agents' connections, and verdicts become transitions. Never throws. */
  async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      for (const cluster of this.directory.clusters.values()) {
        if (!this.isMine(cluster)) this.drop(cluster.id);
        else await this.judge(cluster, this.followed.get(cluster.id) ?? this.follow(cluster));
      }
    } catch (error) {
      this.log.warn({ error: apiSaid(error) }, 'the health of nodes was not recorded; trying again');
    } finally {
      this.looking = false;
    }
  }

  /** Of several platform processes the one that has the first server that is online: two must not contradict each other. */
  private isMine(cluster: Cluster): boolean {
    if (cluster.status === 'decommissioned' || cluster.kubeconfigRef === null || cluster.apiEndpoint === null)
      return false;
    const online = serversOf(cluster).filter((id) => this.directory.instances.get(id)?.online === true);
    return online[0] !== undefined && this.link.liveness(online[0]).connected;
  }

  private follow(cluster: Cluster): Followed {
    const followed: Followed = {
      view: new ClusterView(() => this.clock.monotonicMs()),
      strangers: new StrangerWatch(this.directory, this.clusters, this.clock),
      access: new ApiAccess(this.clusters, this.clock),
      stop: new AbortController(),
      failed: false,
    };
    this.followed.set(cluster.id, followed);
    const open = () => {
      const now = this.directory.clusters.get(cluster.id) ?? cluster;
      return this.apis.open(
        { clusterName: now.name, kubeconfigRef: now.kubeconfigRef!, servers: serversOf(now) },
        { quietMs: 60_000 },
      );
    };
    const { view, access } = followed;
    const sink: NodeSink = {
      listed: (nodes) => {
        view.listed(nodes);
        access.listed();
      },
      changed: (node) => view.changed(node),
      deleted: (name) => view.deleted(name),
    };
    const failed = (error: unknown) => {
      access.failed(error);
      if (!followed.failed) this.log.warn({ cluster: cluster.id, error: apiSaid(error) }, 'its nodes are not watched');
      followed.failed = true;
    };
    const { timers, random } = this;
    void followNodes(sink, { open, failed, timers, random, signal: followed.stop.signal });
    return followed;
  }

  private drop(clusterId: string): void {
    this.followed.get(clusterId)?.stop.abort();
    this.followed.delete(clusterId);
  }

  private async judge(cluster: KnownCluster, { view, strangers, access }: Followed): Promise<void> {
    await access.judge(cluster);
    for (const [instanceId, node] of cluster.nodes) {
      if (node.nodeName === null || (node.status !== 'ready' && node.status !== 'not_ready')) continue;
      const verdict = view.verdict(node.nodeName);
      if (verdict.kind === 'unknown') continue;
      await this.health.onApi(instanceId, verdict.kind === 'problem' ? verdict.why : undefined);
    }
    await strangers.judge(cluster, view);
  }
}

const serversOf = (cluster: Cluster): string[] =>
  [...cluster.nodes].flatMap(([id, node]) => (node.role === 'server' ? [id] : [])).sort();
