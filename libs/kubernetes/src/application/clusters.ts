import { RefusedError } from '#kernel';
import type { CommandContext, Transacted, Transactor } from '#processing';
import { clusterDecider, type ClusterCommand } from '../domain/cluster/decide.js';
import type { Cluster, ClusterEvent, ClusterState } from '../domain/cluster/state.js';

/** Writes and reads cluster streams. A refusal is thrown as RefusedError, so that every caller passes it on. */
export class Clusters {
  constructor(private readonly transactor: Transactor) {}

  async apply(
    clusterId: string,
    command: ClusterCommand,
    context: CommandContext,
  ): Promise<Exclude<Transacted<ClusterState, ClusterEvent>, { kind: 'refused' }>> {
    const done = await this.transactor.transact(clusterId, clusterDecider, command, context);
    if (done.kind === 'refused') throw new RefusedError(done.refusal);
    return done;
  }

  async read(clusterId: string): Promise<Cluster | undefined> {
    const found = await this.transactor.read(clusterId, clusterDecider);
    return found === undefined || found.state.status === 'absent' ? undefined : found.state;
  }

  /** Servers that may answer for the cluster's API, ready ones first. */
  static servers(cluster: Cluster, except?: string): string[] {
    return [...cluster.nodes]
      .filter(([id, node]) => node.role === 'server' && id !== except)
      .sort(([, a], [, b]) => Number(b.status === 'ready') - Number(a.status === 'ready'))
      .map(([id]) => id);
  }
}
