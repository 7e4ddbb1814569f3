import { refusal, RefusedError } from '#kernel';
import type { SecretStore } from '#access';
import type { AgentIdentity } from '#agent-gateway';
import type { CommandContext, Transactor } from '#processing';
import type { agentV1 } from '#proto';
import type { Cluster } from '../../domain/cluster/state.js';
import { isFinished, isKnown, isOwed, type Rollout } from '../../domain/upgrade/state.js';
import type { Clusters } from '../clusters.js';
import type { KubernetesDirectory } from '../directory.js';
import { rewriteKubeconfig } from '../kubeconfig.js';
import type { PhaseAnswer } from '../phase-answer.js';
import { applyRollout, readRollout } from '../upgrade/rollouts.js';

const authority = (kubeconfig: string): string | undefined =>
  /^\s*certificate-authority-data: (\S+)$/m.exec(kubeconfig)?.[1];

/** Takes what nodes report once their certificates, or their token, are new; the cluster's kubeconfig follows its servers. */
export class Rotations {
  constructor(
    private readonly deps: {
      readonly directory: KubernetesDirectory;
      readonly clusters: Clusters;
      readonly secrets: SecretStore;
      readonly transactor: Transactor;
    },
  ) {}

  /** The same report again gives the same answer. */
  async rotated(
    agent: AgentIdentity,
    request: agentV1.ReportPhaseRequest,
    role: 'server' | 'agent',
    context: CommandContext,
  ): Promise<PhaseAnswer> {
    const { directory, clusters, transactor } = this.deps;
    const member = directory.clusterOfMember(agent.instanceId);
    const cluster = member === undefined ? undefined : await clusters.read(member.id);
    if (cluster?.nodes.has(agent.instanceId) !== true) {
      throw new RefusedError(refusal(404, 'ClusterNotFoundError', 'this node is a member of no cluster'));
    }
    const state = await readRollout(transactor, cluster.id);
    const kind = request.tokenGeneration === undefined ? 'certificates' : 'server_token';
    const run = request.tokenGeneration ?? request.certificateGeneration ?? 0;
    // A server that was left out reports when the rollout is long over.
    const owes = (s: Rollout) => s.nodes.some((n) => n.instanceId === agent.instanceId && isOwed(s, n));
    const ofRun = isKnown(state) && state.run === run && state.change.kind === kind;
    if (!ofRun || (isFinished(state) && !owes(state))) return { ack: { clusterId: cluster.id } };
    const kubeconfigDigest =
      role === 'server' && request.kubeconfig !== '' ? await this.reissue(cluster, request.kubeconfig) : undefined;
    await applyRollout(
      transactor,
      cluster.id,
      {
        kind: 'report',
        run,
        instanceId: agent.instanceId,
        certificatesEndMs: request.certificatesEndMs ?? null,
        atMs: context.nowMs,
        ...(kubeconfigDigest === undefined ? {} : { kubeconfigDigest }),
      },
      context,
    );
    return { ack: { clusterId: cluster.id } };
  }

  /** Only a kubeconfig of the same authority takes the place of the one that is stored. */
  private async reissue(cluster: Cluster, reported: string): Promise<string | undefined> {
    const { secrets } = this.deps;
    if (cluster.kubeconfigRef === null || cluster.apiEndpoint === null) return undefined;
    const before = await secrets.get(cluster.kubeconfigRef);
    if (before === undefined || authority(before) === undefined || authority(before) !== authority(reported)) {
      throw new RefusedError(
        refusal(409, 'bootstrap_conflict', `the reported kubeconfig is not of ${cluster.name}’s authority`, {
          hint: 'this node serves another cluster; wipe K3s on it',
        }),
      );
    }
    // In the place of the one before: everybody goes on with the reference that the cluster has.
    const name = cluster.kubeconfigRef.slice(cluster.kubeconfigRef.indexOf('#') + 1);
    return (await secrets.put(cluster.id, name, rewriteKubeconfig(reported, cluster.apiEndpoint))).digest;
  }
}
