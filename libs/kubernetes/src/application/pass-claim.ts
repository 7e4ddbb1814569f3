import { joinMismatch, networkProfile } from '../domain/cni.js';
import type { Cluster } from '../domain/cluster/state.js';
import type { CommandContext } from '#processing';
import type { Clusters } from './clusters.js';
import { derive } from './derive.js';
import type { KubernetesDirectory } from './directory.js';

/**
 * A cluster whose claimant is gone before it was bootstrapped would wait for it for ever: the claim goes to another server of
 * its assignment. Without one it stays where it is, and the next server that claims comes here again.
 */
export const passClaim = async (
  { directory, clusters }: { readonly directory: KubernetesDirectory; readonly clusters: Clusters },
  cluster: Cluster,
  reason: string,
  context: CommandContext,
): Promise<void> => {
  if (cluster.kubeconfigDigest !== null || directory.suspended.has(cluster.assignmentId)) return;
  const fit = [...directory.instances.values()].filter(
    (instance) =>
      instance.id !== cluster.claimant &&
      instance.modules.get(cluster.assignmentId)?.name === 'k3s-server' &&
      directory.peerOf(instance.id, cluster.networkId) !== undefined &&
      joinMismatch(cluster.cniPlugin, networkProfile(instance.memoryBytes), instance.cniPlugin) === undefined,
  );
  const heir = fit.find((instance) => instance.online) ?? fit[0];
  if (heir === undefined) return;
  const command = { type: 'move_claim', from: cluster.claimant, to: heir.id, reason } as const;
  await clusters.apply(cluster.id, command, derive(context, 'pass_claim', cluster.claimant));
};
