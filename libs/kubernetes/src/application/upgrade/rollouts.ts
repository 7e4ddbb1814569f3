import { RefusedError, uuidOf } from '#kernel';
import { instanceDecider } from '#fleet';
import type { CommandContext, Transactor } from '#processing';
import type { Cluster } from '../../domain/cluster/state.js';
import { rolloutDecider, type RolloutCommand } from '../../domain/upgrade/decide.js';
import { planNodes, type ClusterMember } from '../../domain/upgrade/plan.js';
import type { PlannedNode } from '../../domain/upgrade/events.js';
import { noRollout, type Rollout, type RolloutState } from '../../domain/upgrade/state.js';
import type { VersionDirectory } from './version-directory.js';

/** One stream a cluster: it decides that there is one rollout at a time. */
export const rolloutStream = (clusterId: string): string => `cluster_rollout-${uuidOf(clusterId)}`;

export const readRollout = async (transactor: Transactor, clusterId: string): Promise<RolloutState> =>
  (await transactor.read(rolloutStream(clusterId), rolloutDecider))?.state ?? noRollout;

/** A refusal is thrown as RefusedError. */
export const applyRollout = async (
  transactor: Transactor,
  clusterId: string,
  command: RolloutCommand,
  context: CommandContext,
) => {
  const done = await transactor.transact(rolloutStream(clusterId), rolloutDecider, command, context);
  if (done.kind === 'refused') throw new RefusedError(done.refusal);
  return done;
};

/** What the plan is made of: who is in the cluster, what runs there, and what stands aside already. */
export const membersOf = async (
  transactor: Transactor,
  versions: VersionDirectory,
  cluster: Cluster,
): Promise<ClusterMember[]> => {
  const members: ClusterMember[] = [];
  for (const [instanceId, node] of cluster.nodes) {
    const instance = (await transactor.read(instanceId, instanceDecider))?.state;
    members.push({
      instanceId,
      name: node.nodeName ?? instanceId,
      role: node.role,
      status: node.status,
      version: node.version,
      versionId: versions.versionIdOf(instanceId, cluster.id),
      drained: instance?.kind === 'known' && instance.drain !== 'none',
    });
  }
  return members;
};

/**
 * Members that run the version of this upgrade though it did not change them: they joined when it was done, or ran it before.
 * With the version of the cluster they would fall back all at once at the end of a rollback; so they are part of it.
 */
export const alsoBack = (state: Rollout, members: readonly ClusterMember[]): readonly PlannedNode[] => {
  const { change } = state;
  if (change.kind !== 'upgrade') return [];
  const going = new Set(state.nodes.filter((n) => n.phase !== 'skipped' && n.touched).map((n) => n.instanceId));
  const at = members.filter((m) => !going.has(m.instanceId) && m.version === change.version);
  const before = state.nodes.find((n) => n.fromVersionId === change.from_version_id)?.fromVersion ?? null;
  return planNodes(at, null, 0).nodes.map((node) => ({
    ...node,
    from_version: before,
    from_version_id: change.from_version_id,
  }));
};
