import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { refusal, type DomainEvent } from '#kernel';
import { TRANSACTOR, type CommandContext, type CommandResult, type Transactor } from '#processing';
import { nodeWorkDecider, nodeWorkStream, type NodeWorkEvent } from '../domain/node-work/decide.js';
import { NodeLeaveFailed, NodeLeft } from '../domain/node-work/events.js';
import type { Cluster } from '../domain/cluster/state.js';
import { apiSaid } from './api-said.js';
import { Clusters } from './clusters.js';
import { CleanUpNode, RecordCleanUpFailed } from './commands.js';
import { Departures } from './departures.js';
import { derive } from './derive.js';
import { KubernetesDirectory } from './directory.js';

const done: CommandResult<void> = { kind: 'done', value: undefined };

/** Tells on the node's own stream what was done to it. */
export const tellNodeWork = async (
  transactor: Transactor,
  event: NodeWorkEvent & DomainEvent,
  context: CommandContext,
): Promise<void> => {
  const data = event.data as { instance_id: string };
  await transactor.transact(nodeWorkStream(data.instance_id), nodeWorkDecider, event, context);
};

/** Refused (and so tried again) while the Kubernetes API does not answer or the etcd member is still there. */
@CommandHandler(CleanUpNode)
export class CleanUpNodeHandler implements ICommandHandler<CleanUpNode> {
  private readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(KubernetesDirectory) private readonly directory: KubernetesDirectory,
    @Inject(Departures) private readonly departures: Departures,
  ) {
    this.clusters = new Clusters(transactor);
  }

  async execute({ payload, context }: CleanUpNode): Promise<CommandResult<void>> {
    const cluster = await this.clusters.read(payload.cluster_id);
    if (cluster === undefined || cluster.status === 'decommissioned' || cluster.kubeconfigRef === null) return done;
    const reused = this.nameIsTaken(cluster, payload.instance_id, payload.node_name);
    if (reused || Clusters.servers(cluster, payload.instance_id).length === 0) return done;
    try {
      const left = await this.departures.remove(cluster, payload.instance_id, payload.node_name);
      if (left.etcdMember === 'still_there')
        return { kind: 'refused', refusal: refusal(503, 'member_still_there', 'its etcd member is still there') };
      const { cluster_id, instance_id, node_name } = payload;
      const { etcdMember: etcd_member, nodeObject: node_object, nodePassword: name_record } = left;
      const data = { cluster_id, instance_id, node_name, etcd_member, node_object, name_record };
      const links = { cluster: cluster_id, instance: instance_id };
      await tellNodeWork(this.transactor, NodeLeft(data, { links }), derive(context, 'left'));
      return done;
    } catch (error) {
      return { kind: 'refused', refusal: refusal(503, 'kubernetes_api_away', apiSaid(error)) };
    }
  }

  /** A new incarnation of the node bears its name already: what is there is its, and its join has cleared the way. */
  private nameIsTaken(cluster: Cluster, instanceId: string, nodeName: string): boolean {
    return [...cluster.nodes.keys()].some(
      (id) => id !== instanceId && this.directory.instances.get(id)?.name === nodeName,
    );
  }
}

@CommandHandler(RecordCleanUpFailed)
export class RecordCleanUpFailedHandler implements ICommandHandler<RecordCleanUpFailed> {
  constructor(@Inject(TRANSACTOR) private readonly transactor: Transactor) {}

  async execute({ payload, context }: RecordCleanUpFailed): Promise<CommandResult<void>> {
    const { cluster_id, instance_id, node_name } = payload;
    const data = { ...payload, next_action: `kubectl delete node ${node_name}, as soon as the cluster's API answers` };
    const failed = NodeLeaveFailed(data, { links: { cluster: cluster_id, instance: instance_id } });
    await tellNodeWork(this.transactor, failed, derive(context, 'leave_failed'));
    return done;
  }
}
