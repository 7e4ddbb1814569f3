import { deterministicUuid, errorMessage, refusal, RefusedError, type Clock, type Log } from '#kernel';
import type { AgentIdentity } from '#agent-gateway';
import type { SecretStore } from '#access';
import type { CommandContext, Transactor } from '#processing';
import { joinMismatch, networkProfile } from '../domain/cni.js';
import type { Cluster, NodeRole } from '../domain/cluster/state.js';
import { resolveTarget } from '../domain/join-target.js';
import { Clusters } from './clusters.js';
import type { Departures } from './departures.js';
import { derive } from './derive.js';
import type { AssignedModule, KubernetesDirectory } from './directory.js';
import { joinRefusals } from './join-refusals.js';
import { targetOf } from './modules-source.js';
import { missingPeer, type PhaseAnswer } from './phase-answer.js';
import type { WorkerToken, WorkerTokens } from './worker-tokens.js';

const RETRY_MS = 1_000;
/** Two servers joining at once can leave etcd without a quorum of started members, so they join one after the other. */
const SERVER_JOIN_WINDOW_MS = 90_000;

/** join_request: which cluster, may it, and with which token. */
export class Joins {
  /** Since when a server has been joining; in memory, because it only spaces joins out. */
  private readonly joiningServers = new Map<string, { readonly instanceId: string; readonly sinceMs: number }>();

  /** The token minted for a worker's newest join_request: the same request again gives the same answer. */
  private readonly minted = new Map<string, { readonly commandId: string; readonly token: WorkerToken }>();

  constructor(
    private readonly deps: {
      readonly directory: KubernetesDirectory;
      readonly clusters: Clusters;
      /** Absent where there is no Kubernetes API to ask. */
      readonly departures?: Pick<Departures, 'clearName'>;
      readonly tokens: WorkerTokens;
      readonly secrets: SecretStore;
      readonly transactor: Transactor;
      readonly clock: Clock;
      readonly log: Log;
    },
  ) {}

  async request(
    agent: AgentIdentity,
    role: NodeRole,
    module: AssignedModule,
    context: CommandContext,
  ): Promise<PhaseAnswer> {
    // The assignment's word only: a node does not choose the cluster whose token it is given.
    const target = targetOf(module);
    const clusterId = this.clusterFor(agent, role, module, target);
    if (!clusterId.ok) {
      await this.recordRefusal(agent, target, clusterId.refusal, context);
      throw new RefusedError(clusterId.refusal);
    }
    if (clusterId.id === undefined) return { retryAfterMs: RETRY_MS };
    const cluster = await this.deps.clusters.read(clusterId.id);
    if (cluster === undefined || cluster.apiEndpoint === null || cluster.caPem === null)
      return { retryAfterMs: RETRY_MS };
    const refused = this.fits(agent, cluster);
    if (refused !== undefined) {
      await this.recordRefusal(agent, target, refused, context);
      throw new RefusedError(refused);
    }
    if (role === 'server' && !this.mayJoinNow(cluster, agent.instanceId)) return { retryAfterMs: RETRY_MS };
    if (!(await this.clearName(cluster, agent.instanceId, role))) return { retryAfterMs: RETRY_MS };
    await this.deps.clusters.apply(
      cluster.id,
      { type: 'request_join', instanceId: agent.instanceId, role, target },
      derive(context, 'join_request'),
    );
    return role === 'server' ? this.serverToken(agent, cluster, context) : this.workerToken(agent, cluster, context);
  }

  private clusterFor(agent: AgentIdentity, role: NodeRole, module: AssignedModule, target: string | null) {
    if (role === 'server' && target === null) {
      return { ok: true as const, id: this.deps.directory.clusterOfAssignment(module.assignmentId)?.id };
    }
    const clusters = this.deps.directory.clustersOf(agent.accountId);
    const member = this.deps.directory.clusterOfMember(agent.instanceId);
    // A node that already belongs to a cluster goes on with it, however many there are by now.
    if (target === null && member !== undefined) return { ok: true as const, id: member.id };
    const resolved = resolveTarget(
      target,
      clusters.map((c) => ({
        id: c.id,
        name: c.name,
        joinable: c.status !== 'decommissioned',
      })),
    );
    return resolved.ok ? { ok: true as const, id: resolved.clusterId } : resolved;
  }

  private fits(agent: AgentIdentity, cluster: Cluster) {
    if (this.deps.directory.peerOf(agent.instanceId, cluster.networkId) === undefined)
      return missingPeer(agent.instanceId);
    const memory = this.deps.directory.instances.get(agent.instanceId)?.memoryBytes ?? null;
    return joinMismatch(cluster.cniPlugin, networkProfile(memory));
  }

  /** A machine that was installed anew joins under its old name: nothing of its earlier life may be in the way. */
  private async clearName(cluster: Cluster, instanceId: string, role: NodeRole): Promise<boolean> {
    try {
      await this.deps.departures?.clearName(cluster, instanceId, role);
      return true;
    } catch (error) {
      this.deps.log.warn(
        { cluster: cluster.id, instance: instanceId, error: errorMessage(error) },
        'its name is not free yet',
      );
      return false;
    }
  }

  private mayJoinNow(cluster: Cluster, instanceId: string): boolean {
    const now = this.deps.clock.monotonicMs();
    const current = this.joiningServers.get(cluster.id);
    const node = current === undefined ? undefined : cluster.nodes.get(current.instanceId);
    const busy =
      current !== undefined &&
      current.instanceId !== instanceId &&
      node?.status === 'joining' &&
      now - current.sinceMs < SERVER_JOIN_WINDOW_MS;
    if (!busy && current?.instanceId !== instanceId) this.joiningServers.set(cluster.id, { instanceId, sinceMs: now });
    return !busy;
  }

  /** Servers share the cluster's server token; it comes from the secret store and is never logged. */
  private async serverToken(agent: AgentIdentity, cluster: Cluster, context: CommandContext): Promise<PhaseAnswer> {
    const token = await this.serverTokenOf(cluster);
    if (token === undefined) return { retryAfterMs: RETRY_MS };
    await this.deps.clusters.apply(
      cluster.id,
      { type: 'issue_join_token', instanceId: agent.instanceId, role: 'server', tokenId: 'server', expiresAt: null },
      derive(context, 'join_token'),
    );
    return { ack: { ...this.ack(cluster), serverToken: token } };
  }

  private async workerToken(agent: AgentIdentity, cluster: Cluster, context: CommandContext): Promise<PhaseAnswer> {
    const target = {
      clusterName: cluster.name,
      kubeconfigRef: cluster.kubeconfigRef!,
      servers: Clusters.servers(cluster),
    };
    const serverToken = await this.serverTokenOf(cluster);
    if (serverToken === undefined) return { retryAfterMs: RETRY_MS };
    try {
      const earlier = this.minted.get(agent.instanceId);
      const minted =
        earlier?.commandId === context.commandId
          ? earlier.token
          : await this.deps.tokens.mint(target, serverToken, `drover: ${agent.instanceId}`);
      this.minted.set(agent.instanceId, { commandId: context.commandId, token: minted });
      await this.deps.clusters.apply(
        cluster.id,
        {
          type: 'issue_join_token',
          instanceId: agent.instanceId,
          role: 'agent',
          tokenId: minted.tokenId,
          expiresAt: minted.expiresAt,
        },
        derive(context, 'join_token', minted.tokenId),
      );
      return { ack: { ...this.ack(cluster), agentToken: minted.token } };
    } catch (error) {
      this.deps.log.warn(
        { cluster: cluster.id, instance: agent.instanceId, error: errorMessage(error) },
        'no worker token yet',
      );
      return { retryAfterMs: RETRY_MS };
    }
  }

  private async serverTokenOf(cluster: Cluster): Promise<string | undefined> {
    return cluster.serverTokenRef === null ? undefined : this.deps.secrets.get(cluster.serverTokenRef);
  }

  private ack(cluster: Cluster) {
    return {
      clusterId: cluster.id,
      clusterStatus: cluster.status,
      apiEndpoint: cluster.apiEndpoint!,
      caPem: cluster.caPem!,
    };
  }

  /** One event per distinct refusal, however often the agent asks. */
  private async recordRefusal(
    agent: AgentIdentity,
    target: string | null,
    refused: ReturnType<typeof refusal>,
    context: CommandContext,
  ): Promise<void> {
    const candidates = (refused.candidates ?? []).map((c) => c.id);
    await this.deps.transactor.transact(
      agent.instanceId,
      joinRefusals,
      { instanceId: agent.instanceId, target, refusal: refused, candidates },
      { ...context, commandId: deterministicUuid('join_refused', context.commandId, refused.code) },
    );
  }
}
