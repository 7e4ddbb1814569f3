import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  CLOCK,
  errorMessage,
  LOG,
  sleep,
  TIMERS,
  type Clock,
  type InstanceId,
  type Log,
  type Timers,
  failpoint,
} from '#kernel';
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
import { Clusters } from './clusters.js';
import { DrainNode, UncordonNode } from './commands.js';
import { derive } from './derive.js';
import { KubernetesDirectory } from './directory.js';
import { evictPods, setUnschedulable } from './evict.js';
import { KubeApis } from './kube-api.js';

/** How long agents get to come back after a restart of the platform; the gateway gives them 30 s. */
const AGENTS_RETURN_MS = 45_000;
const RETRY_MS = 500;

const stayed = (move: MoveAnswer) => move.outcome === 'no_candidate' || move.outcome === 'failed';

/** Drain, in the order that keeps the endpoint up: VIP away, cordon, evict, then the instance is drained. */
@CommandHandler(DrainNode)
export class DrainNodeHandler implements ICommandHandler<DrainNode> {
  private readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) transactor: Transactor,
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
    const member = this.directory.clusterOfMember(payload.instance_id);
    const cluster = member === undefined ? undefined : await this.clusters.read(member.id);
    const warnings = await this.moveAway(payload.instance_id, cluster, context);
    let evicted = 0;
    if (cluster !== undefined && cluster.kubeconfigRef !== null) {
      await this.clusters.apply(
        cluster.id,
        { type: 'draining', instanceId: payload.instance_id },
        derive(context, 'draining'),
      );
      const result = await this.evict(cluster, payload.instance_id, payload.timeout_seconds);
      evicted = result.evicted;
      warnings.push(...result.warnings);
    }
    await failpoint('drain.evicted');
    return this.dispatcher.dispatch(
      new MarkDrained(
        { instance_id: payload.instance_id, evicted_pods: evicted, warnings },
        derive(context, 'drained'),
      ),
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

  private async evict(cluster: Cluster, instanceId: string, timeoutSeconds: number) {
    const node = cluster.nodes.get(instanceId)?.nodeName ?? this.directory.instances.get(instanceId)?.name;
    const servers = [...Clusters.servers(cluster, instanceId), instanceId];
    try {
      const target = { clusterName: cluster.name, kubeconfigRef: cluster.kubeconfigRef!, servers };
      const api = await this.apis.open(target);
      try {
        await setUnschedulable(api, node!, true);
        return await evictPods(api, node!, timeoutSeconds * 1_000, this.clock, this.timers);
      } finally {
        await api.close();
      }
    } catch (error) {
      this.log.warn({ cluster: cluster.id, instance: instanceId, error: errorMessage(error) }, 'pods were not evicted');
      return { evicted: 0, warnings: [`pods were not evicted: ${errorMessage(error)}`] };
    }
  }
}

@CommandHandler(UncordonNode)
export class UncordonNodeHandler implements ICommandHandler<UncordonNode> {
  private readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) transactor: Transactor,
    private readonly directory: KubernetesDirectory,
    private readonly apis: KubeApis,
  ) {
    this.clusters = new Clusters(transactor);
  }

  /** Throws while no server can be reached, so that the process manager tries again: a node must not stay cordoned. */
  async execute({ payload, context }: UncordonNode): Promise<CommandResult<void>> {
    const member = this.directory.clusterOfMember(payload.instance_id);
    const cluster = member === undefined ? undefined : await this.clusters.read(member.id);
    const node = cluster?.nodes.get(payload.instance_id);
    // Terminated meanwhile: trying on would hold up its removal.
    if (!this.directory.instances.has(payload.instance_id)) return { kind: 'done', value: undefined };
    if (cluster === undefined || node?.nodeName == null || cluster.kubeconfigRef === null)
      return { kind: 'done', value: undefined };
    const servers = Clusters.servers(cluster);
    const api = await this.apis.open({ clusterName: cluster.name, kubeconfigRef: cluster.kubeconfigRef, servers });
    try {
      await setUnschedulable(api, node.nodeName, false);
    } finally {
      await api.close();
    }
    const done = await this.clusters.apply(
      cluster.id,
      { type: 'uncordoned', instanceId: payload.instance_id },
      derive(context, 'uncordoned'),
    );
    return { kind: 'done', value: undefined, position: done.position };
  }
}
