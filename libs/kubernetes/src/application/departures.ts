import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, LOG, TIMERS, type Clock, type InstanceId, type Log, type Timers } from '#kernel';
import {
  COMMAND_DISPATCHER,
  TRANSACTOR,
  type CommandContext,
  type CommandDispatcher,
  type Transactor,
} from '#processing';
import { MoveVirtualIpAway } from '#sdwan';
import type { Cluster } from '../domain/cluster/state.js';
import { leavingBefore, quorumAfterForgetting, quorumAfterLeaving } from '../domain/quorum.js';
import { apiSaid } from './api-said.js';
import { Clusters } from './clusters.js';
import { derive } from './derive.js';
import { KubernetesDirectory } from './directory.js';
import { KubeApis } from './kube-api.js';
import { deleteNodePassword, leaveCluster, type Left } from './leave-cluster.js';

/** K3s removes a member within a second or two; a cluster that cannot do so in this time has lost its quorum. */
const MEMBER_BOUND_MS = 20_000;

/** How instances leave their clusters, and how their names become free again. */
@Injectable()
export class Departures {
  private readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) transactor: Transactor,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TIMERS) private readonly timers: Timers,
    @Inject(LOG) private readonly log: Log,
    @Inject(KubernetesDirectory) private readonly directory: KubernetesDirectory,
    @Inject(KubeApis) private readonly apis: KubeApis,
  ) {
    this.clusters = new Clusters(transactor);
  }

  /** Whether pods may be running there, so that it is worth a drain before it goes. */
  isOccupied(instanceId: string): boolean {
    const cluster = this.directory.clusterOfMember(instanceId);
    const node = cluster?.nodes.get(instanceId);
    return node !== undefined && node.status !== 'joining' && cluster?.kubeconfigRef !== null;
  }

  /** Why it must not go now; undefined when it may. Forcing goes on all the same. */
  objection(instanceId: string, end: 'leave' | 'forget' = 'leave') {
    const cluster = this.directory.clusterOfMember(instanceId);
    if (cluster === undefined) return undefined;
    const after = end === 'leave' ? quorumAfterLeaving : quorumAfterForgetting;
    return after(cluster, instanceId, leavingBefore(instanceId, this.directory.leaving));
  }

  /**
   * Before the machine of a member is told to wipe: its VIPs move, and as long as it lives its etcd member can be removed
   * without the quorum ever depending on a dead one. Answers what could not be done; never throws.
   */
  async leave(instanceId: string, context: CommandContext): Promise<string[]> {
    const known = this.directory.clusterOfMember(instanceId);
    const cluster = known === undefined ? undefined : await this.clusters.read(known.id);
    if (cluster === undefined || cluster.nodes.get(instanceId) === undefined) return [];
    const moved = await this.dispatcher.dispatch(
      new MoveVirtualIpAway(
        { instance_id: instanceId as InstanceId, reason: 'holder_removed' },
        derive(context, 'leave', 'vip_away'),
      ),
    );
    if (moved.kind === 'refused')
      this.log.warn({ instance: instanceId, code: moved.refusal.code }, moved.refusal.message);
    if (Clusters.servers(cluster, instanceId).length === 0) return [];
    const name = cluster.nodes.get(instanceId)?.nodeName;
    if (name == null) return [];
    try {
      const left = await this.remove(cluster, instanceId, name);
      return left.etcdMember === 'still_there' ? [`the etcd member of ${name} is still there`] : [];
    } catch (error) {
      this.log.warn({ cluster: cluster.id, node: name, error: apiSaid(error) }, 'a node could not leave first');
      return [`${name} is still in Kubernetes: ${apiSaid(error)}`];
    }
  }

  /** Removes what Kubernetes still knows of a machine that is gone. Throws while no server answers. */
  async remove(cluster: Cluster, instanceId: string, nodeName: string): Promise<Left> {
    const servers = Clusters.servers(cluster, instanceId);
    const api = await this.apis.open({ clusterName: cluster.name, kubeconfigRef: cluster.kubeconfigRef!, servers });
    try {
      return await leaveCluster(api, nodeName, {
        boundMs: MEMBER_BOUND_MS,
        clock: this.clock,
        timers: this.timers,
      });
    } finally {
      await api.close();
    }
  }

  /**
   * A machine asks to join under a name that the cluster may know from its earlier life: what is left of that would have K3s
   * refuse it ("Node password rejected", "duplicate node name"). Throws while no server answers: the agent asks again.
   */
  async clearName(cluster: Cluster, instanceId: string, role: 'server' | 'agent'): Promise<void> {
    const nodeName = this.directory.instances.get(instanceId)?.name;
    if (nodeName === undefined || cluster.kubeconfigRef === null) return;
    // A first join needs no Kubernetes API, and finds none when it is the cluster's second server that starts early.
    if (!this.directory.namesEver.has(`${cluster.id} ${nodeName}`)) return;
    if (role === 'server') {
      const left = await this.remove(cluster, instanceId, nodeName);
      if (left.etcdMember === 'still_there') throw new Error(`the earlier etcd member of ${nodeName} is still there`);
      return;
    }
    const servers = Clusters.servers(cluster, instanceId);
    const api = await this.apis.open({ clusterName: cluster.name, kubeconfigRef: cluster.kubeconfigRef, servers });
    try {
      await deleteNodePassword(api, nodeName);
    } finally {
      await api.close();
    }
  }
}
