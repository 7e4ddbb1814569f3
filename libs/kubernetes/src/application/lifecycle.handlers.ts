import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { LOG, refusal, RefusedError, TIMERS, type InstanceId, type Log, type TemplateId, type Timers } from '#kernel';
import { SECRET_STORE, releaseName, type SecretStore } from '#access';
import { SuspendAssignment } from '#fleet';
import {
  COMMAND_DISPATCHER,
  TRANSACTOR,
  type CommandDispatcher,
  type CommandResult,
  type Transactor,
} from '#processing';
import { MoveVirtualIpAway, ReleaseVirtualIp, SetVirtualIpCandidates } from '#sdwan';
import type { Cluster } from '../domain/cluster/state.js';
import { Clusters } from './clusters.js';
import { DecommissionCluster, RemoveNode, SyncVipCandidates } from './commands.js';
import { derive } from './derive.js';
import { KubernetesDirectory } from './directory.js';
import { passClaim } from './pass-claim.js';

const DIRECTORY_BOUND_MS = 2_000;

/** Level-triggered: whatever the candidates were, they become the cluster's servers with a peer on its network. */
@CommandHandler(SyncVipCandidates)
export class SyncVipCandidatesHandler implements ICommandHandler<SyncVipCandidates> {
  private readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) transactor: Transactor,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(TIMERS) private readonly timers: Timers,
    private readonly directory: KubernetesDirectory,
  ) {
    this.clusters = new Clusters(transactor);
  }

  async execute({ payload, context }: SyncVipCandidates): Promise<CommandResult<void>> {
    const cluster = await this.clusters.read(payload.cluster_id);
    if (cluster === undefined || cluster.virtualIpId === null || cluster.status === 'decommissioned') {
      return { kind: 'done', value: undefined };
    }
    const servers = [...cluster.nodes].filter(([, node]) => node.role === 'server' && node.status !== 'joining');
    const peered = () =>
      servers.flatMap(([instanceId]) => {
        const peer = this.directory.peerOf(instanceId, cluster.networkId);
        return peer === undefined ? [] : [{ instance_id: instanceId as InstanceId, peer_id: peer.peerId }];
      });
    // The attachment that asked for this may be folded here a moment later; a server that has no peer does not count.
    const all = () => (peered().length === servers.length ? peered() : undefined);
    const candidates = (await this.directory.until(all, this.timers, DIRECTORY_BOUND_MS)) ?? peered();
    const command = new SetVirtualIpCandidates(
      { virtual_ip_id: cluster.virtualIpId, candidates },
      derive(context, 'candidates'),
    );
    const set = await this.dispatcher.dispatch(command);
    // A peer that is known here and already detached: thrown, so that the process manager asks again.
    if (set.kind === 'refused' && set.refusal.code === 'MissingSdwanPeerError') throw new RefusedError(set.refusal);
    return set;
  }
}

@CommandHandler(RemoveNode)
export class RemoveNodeHandler implements ICommandHandler<RemoveNode> {
  readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) transactor: Transactor,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(LOG) private readonly log: Log,
    readonly directory: KubernetesDirectory,
  ) {
    this.clusters = new Clusters(transactor);
  }

  async execute({ payload, context }: RemoveNode): Promise<CommandResult<void>> {
    const away = new MoveVirtualIpAway(
      { instance_id: payload.instance_id, reason: 'holder_removed' },
      derive(context, 'vip_away'),
    );
    const moved = await this.dispatcher.dispatch(away);
    if (moved.kind === 'refused')
      this.log.warn({ instance: payload.instance_id, code: moved.refusal.code }, moved.refusal.message);
    const member = this.directory.clusterOfMember(payload.instance_id);
    const cluster = member === undefined ? undefined : await this.clusters.read(member.id);
    if (cluster?.claimant === payload.instance_id)
      await passClaim(this, cluster, `${payload.instance_id} is gone`, context);
    if (cluster?.nodes.has(payload.instance_id) !== true) return { kind: 'done', value: undefined };
    const done = await this.clusters.apply(
      cluster.id,
      { type: 'remove_node', instanceId: payload.instance_id, reason: payload.reason },
      derive(context, 'remove_node'),
    );
    return { kind: 'done', value: undefined, position: done.position };
  }
}

/** Stops K3s (by suspending its assignments), releases the VIP, shreds the secrets; the instances stay as they are. */
@CommandHandler(DecommissionCluster)
export class DecommissionClusterHandler implements ICommandHandler<DecommissionCluster> {
  private readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    private readonly directory: KubernetesDirectory,
  ) {
    this.clusters = new Clusters(transactor);
  }

  async execute({ payload, context }: DecommissionCluster): Promise<CommandResult<{ freed: readonly string[] }>> {
    const cluster = await this.clusters.read(payload.cluster_id);
    if (cluster === undefined) {
      return {
        kind: 'refused',
        refusal: refusal(404, 'cluster_not_found', 'there is no such cluster', { field: 'cluster_id' }),
      };
    }
    const freed = [...cluster.nodes.keys()];
    for (const { assignmentId, templateId } of this.assignmentsOf(cluster)) {
      const suspend = {
        template_id: templateId as TemplateId,
        assignment_id: assignmentId,
        reason: `${cluster.name} was decommissioned`,
      };
      await this.dispatcher.dispatch(new SuspendAssignment(suspend, derive(context, 'suspend', assignmentId)));
    }
    if (cluster.virtualIpId !== null) {
      const release = { virtual_ip_id: cluster.virtualIpId, reason: 'cluster decommissioned' };
      await this.dispatcher.dispatch(new ReleaseVirtualIp(release, derive(context, 'release_vip')));
    }
    const done = await this.clusters.apply(cluster.id, { type: 'decommission' }, derive(context, 'decommission'));
    await this.secrets.shred(cluster.id);
    await releaseName(this.transactor, { kind: 'cluster', name: cluster.name, id: cluster.id }, context);
    return { kind: 'done', value: { freed }, position: done.position };
  }

  /** The assignment that made the cluster, and those of the workers that are in it. */
  private assignmentsOf(cluster: Cluster) {
    const own = { assignmentId: cluster.assignmentId, templateId: cluster.templateId };
    const members = [...cluster.nodes.keys()].flatMap((id) =>
      [...(this.directory.instances.get(id)?.modules.values() ?? [])].filter((m) => m.name.startsWith('k3s-')),
    );
    return [...new Map([own, ...members].map((m) => [m.assignmentId, m])).values()];
  }
}
