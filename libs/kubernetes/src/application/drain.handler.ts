import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { CLOCK, LOG, sleep, TIMERS, type Clock, type InstanceId, type Log, type Timers, failpoint } from '#kernel';
import { MarkDrained } from '#fleet';
import {
  COMMAND_DISPATCHER,
  TRANSACTOR,
  type CommandContext,
  type CommandDispatcher,
  type CommandResult,
  type Transactor,
} from '#processing';
import { MoveVirtualIpAway, type MoveAnswer } from '#sdwan';
import type { Cluster } from '../domain/cluster/state.js';
import { NodeDrainProgress } from '../domain/node-work/events.js';
import { apiSaid } from './api-said.js';
import { tellNodeWork } from './clean-up-node.handler.js';
import { Clusters } from './clusters.js';
import { DrainNode } from './commands.js';
import { derive } from './derive.js';
import { KubernetesDirectory } from './directory.js';
import { evictPods, setUnschedulable, type Evicted, type EvictProgress } from './evict.js';
import { KubeApis } from './kube-api.js';

/** How long agents get to come back after a restart of the platform; the gateway gives them 30 s. */
const AGENTS_RETURN_MS = 45_000;
const RETRY_MS = 500;
const DIRECTORY_BOUND_MS = 2_000;
/** However long the platform was away, a drain that it finds unfinished gets this much. */
const LEAST_MS = 5_000;

const stayed = (move: MoveAnswer) => move.outcome === 'no_candidate' || move.outcome === 'failed';

/** Drain, in the order that keeps the endpoint up: VIP away, cordon, evict, then the instance is drained. */
@CommandHandler(DrainNode)
export class DrainNodeHandler implements ICommandHandler<DrainNode> {
  private readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TIMERS) private readonly timers: Timers,
    @Inject(LOG) private readonly log: Log,
    private readonly directory: KubernetesDirectory,
    private readonly apis: KubeApis,
  ) {
    this.clusters = new Clusters(transactor);
  }

  async execute({ payload, context }: DrainNode): Promise<CommandResult<void>> {
    const { instance_id } = payload;
    const member = this.directory.clusterOfMember(instance_id);
    const cluster = member === undefined ? undefined : await this.clusters.read(member.id);
    const warnings = await this.moveAway(instance_id, cluster, context);
    let evicted = 0;
    if (cluster !== undefined && cluster.kubeconfigRef !== null) {
      await this.clusters.apply(cluster.id, { type: 'draining', instanceId: instance_id }, derive(context, 'draining'));
      // Folded here a moment later, maybe; from then on its absence means that the drain was called off.
      await this.directory.until(
        () => this.directory.draining.has(instance_id) || undefined,
        this.timers,
        DIRECTORY_BOUND_MS,
      );
      const result = await this.evict(cluster, payload, context);
      evicted = result.evicted;
      warnings.push(...result.warnings);
    }
    await failpoint('drain.evicted');
    return this.dispatcher.dispatch(
      new MarkDrained({ instance_id, evicted_pods: evicted, warnings }, derive(context, 'drained')),
    );
  }

  /**
   * Answers why a VIP stayed. While the cluster has other servers it is only a matter of time: after a restart of the
   * platform their agents need a moment to come back, and the instance must not count as drained before. With nowhere to go
   * the drain goes on: the operator asked for it and was told `outage_expected`.
   */
  private async moveAway(
    instance_id: InstanceId,
    cluster: Cluster | undefined,
    context: CommandContext,
  ): Promise<string[]> {
    const deadline = this.clock.monotonicMs() + AGENTS_RETURN_MS;
    const others = cluster === undefined ? [] : Clusters.servers(cluster, instance_id);
    for (;;) {
      const step = derive(context, 'vip_away', String(this.clock.wallMs()));
      const moved = await this.dispatcher.dispatch(new MoveVirtualIpAway({ instance_id, reason: 'drain' }, step));
      if (moved.kind === 'refused') return [`${moved.refusal.code}: ${moved.refusal.message}`];
      const left = moved.value.moves.filter(stayed);
      if (left.length === 0) return [];
      if (others.length === 0 || this.clock.monotonicMs() >= deadline)
        return left.map((move) => `${move.name}: ${move.outcome}, ${move.detail}`);
      await sleep(this.timers, RETRY_MS);
    }
  }

  private async evict(cluster: Cluster, payload: DrainNode['payload'], context: CommandContext): Promise<Evicted> {
    const { instance_id, timeout_seconds } = payload;
    const node = cluster.nodes.get(instance_id)?.nodeName ?? this.directory.instances.get(instance_id)?.name;
    const servers = [...Clusters.servers(cluster, instance_id), instance_id];
    // The time was asked for once; a platform that was restarted meanwhile does not start it anew.
    const spentMs = payload.requested_at_ms === undefined ? 0 : this.clock.wallMs() - payload.requested_at_ms;
    try {
      const target = { clusterName: cluster.name, kubeconfigRef: cluster.kubeconfigRef!, servers };
      const api = await this.apis.open(target);
      try {
        await setUnschedulable(api, node!, true);
        return await evictPods(api, node!, {
          timeoutMs: Math.max(LEAST_MS, timeout_seconds * 1_000 - Math.max(0, spentMs)),
          clock: this.clock,
          timers: this.timers,
          cancelled: () => !this.directory.draining.has(instance_id),
          onProgress: (progress) => this.tell(cluster.id, instance_id, progress, context),
        });
      } finally {
        await api.close();
      }
    } catch (error) {
      this.log.warn({ cluster: cluster.id, instance: instance_id, error: apiSaid(error) }, 'pods were not evicted');
      return { evicted: 0, warnings: [`pods were not evicted: ${apiSaid(error)}`] };
    }
  }

  private async tell(clusterId: string, instance_id: InstanceId, progress: EvictProgress, context: CommandContext) {
    const data = { cluster_id: clusterId as never, instance_id, ...progress, blocked: [...progress.blocked] };
    const event = NodeDrainProgress(data, { links: { cluster: clusterId, instance: instance_id } });
    const nowMs = this.clock.wallMs();
    await tellNodeWork(this.transactor, event, { ...derive(context, 'progress', JSON.stringify(progress)), nowMs });
  }
}
