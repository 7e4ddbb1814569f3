import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Command, READ_MODELS, type CommandResult, type ReadModels } from '#processing';
import { policyDecider, policyStream } from '../../domain/snapshots/decide.js';
import { SnapshotDeleted } from '../../domain/snapshots/events.js';
import { snapshotsProjection, type SnapshotDoc } from '../../projections/snapshots.js';
import { apiSaid } from '../api-said.js';
import { derive } from '../derive.js';
import { SnapshotWork } from './snapshot.handlers.js';

/** Lets go of the oldest snapshots of a cluster beyond what its policy keeps, here and on the servers. */
export class PruneSnapshots extends Command<{ readonly cluster_id: string }, void> {
  static readonly type = 'kubernetes.prune_snapshots';
}

@CommandHandler(PruneSnapshots)
export class PruneSnapshotsHandler implements ICommandHandler<PruneSnapshots> {
  constructor(
    private readonly work: SnapshotWork,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
  ) {}

  async execute({ payload: { cluster_id }, context }: PruneSnapshots): Promise<CommandResult<void>> {
    const policy = (await this.work.transactor.read(policyStream(cluster_id), policyDecider))?.state;
    const ended = (await this.work.clusters.read(cluster_id))?.status === 'decommissioned';
    // The keys of a cluster that has ended are shredded: its files can be read by nobody, and only take room.
    const retention = ended ? 0 : (policy ?? policyDecider.initial).retention;
    const reason = ended ? 'the cluster was decommissioned' : `retention ${retention}`;
    // Without a limit: the oldest come first, and what is gone or failed would fill it one day and hide all that is new.
    const where = { cluster_id, kind: 'snapshot', status: 'available' };
    const available = [...(await this.readModels.find(snapshotsProjection, { where }))].sort((a, b) =>
      b.createdAt.localeCompare(a.createdAt),
    );
    for (const doc of available.slice(retention)) {
      if (!ended) await this.fromServer(doc);
      await this.work.copies.delete(cluster_id, doc.id);
      const deleted = SnapshotDeleted({
        snapshot_id: doc.id,
        cluster_id: cluster_id as never,
        reason,
      });
      await this.work.record(doc.id, deleted, derive(context, 'deleted', doc.id));
    }
    return { kind: 'done', value: undefined };
  }

  /** Best effort: the server may be lost, and K3s' own retention sees to what is left there. */
  private async fromServer(doc: SnapshotDoc): Promise<void> {
    try {
      const cluster = await this.work.clusters.read(doc.clusterId);
      const tokens = cluster === undefined ? [] : await this.work.serverTokens(cluster);
      if (cluster === undefined || tokens.length === 0 || doc.instanceId === null || doc.fileName === null) return;
      await this.work.api(cluster, doc.instanceId, tokens).delete(doc.fileName);
    } catch (error) {
      this.work.log.info({ snapshot: doc.id, error: apiSaid(error) }, 'the server keeps its file of this snapshot');
    }
  }
}
