import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { TRANSACTOR, type CommandResult, type Transactor } from '#processing';
import { clusterProblem } from '../domain/cluster-problem.js';
import { Clusters } from './clusters.js';
import { JudgeCluster } from './commands.js';
import { derive } from './derive.js';

/** Degraded and recovered, decided on what the cluster's own stream says of its nodes. */
@CommandHandler(JudgeCluster)
export class JudgeClusterHandler implements ICommandHandler<JudgeCluster> {
  private readonly clusters: Clusters;

  constructor(@Inject(TRANSACTOR) transactor: Transactor) {
    this.clusters = new Clusters(transactor);
  }

  async execute({ payload, context }: JudgeCluster): Promise<CommandResult<void>> {
    const cluster = await this.clusters.read(payload.cluster_id);
    if (cluster === undefined || (cluster.status !== 'active' && cluster.status !== 'degraded'))
      return { kind: 'done', value: undefined };
    const reason = clusterProblem(cluster);
    const done = await this.clusters.apply(
      cluster.id,
      reason === undefined ? { type: 'recover' } : { type: 'degrade', reason },
      derive(context, 'judge'),
    );
    return { kind: 'done', value: undefined, position: done.position };
  }
}
