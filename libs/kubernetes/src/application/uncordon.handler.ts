import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { TRANSACTOR, type CommandResult, type Transactor } from '#processing';
import { Clusters } from './clusters.js';
import { UncordonNode } from './commands.js';
import { derive } from './derive.js';
import { KubernetesDirectory } from './directory.js';
import { setUnschedulable } from './evict.js';
import { KubeApis } from './kube-api.js';

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
