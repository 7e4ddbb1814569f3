import { deterministicUuid, type Clock } from '#kernel';
import type { AgentIdentity, AgentObserver } from '#agent-gateway';
import type { CommandContext } from '#processing';
import type { agentV1 } from '#proto';
import type { Clusters } from './clusters.js';
import type { KubernetesDirectory } from './directory.js';
import { saysMore, SILENT_PREFIX } from '../domain/cluster/node-trouble.js';
import { API_PREFIX } from './node-conditions.js';

/**
 * Turns what is seen of nodes into not_ready and ready transitions. Two see them: the agent (its runtime does not answer, or it
 * is silent itself) and the Kubernetes API. Either may call a node not ready; only who did so takes it back.
 */
export class NodeHealth implements AgentObserver {
  constructor(
    private readonly directory: KubernetesDirectory,
    private readonly clusters: Clusters,
    private readonly clock: Clock,
  ) {}

  onRuntimeHealth(agent: AgentIdentity, health: agentV1.RuntimeHealth): Promise<void> {
    const problem = health.ready ? undefined : health.detail.slice(0, 300) || 'the runtime is not ready';
    return this.record(agent.instanceId, problem, 'agent');
  }

  onLost(agent: AgentIdentity, silentMs: number): Promise<void> {
    return this.record(agent.instanceId, `${SILENT_PREFIX}${Math.round(silentMs)} ms`, 'agent');
  }

  /** What Kubernetes says of a member; undefined when it says that it is Ready. */
  onApi(instanceId: string, problem: string | undefined): Promise<void> {
    return this.record(instanceId, problem === undefined ? undefined : `${API_PREFIX}${problem}`, 'api');
  }

  /** Transitions only: the directory tells whether anything would change before a stream is touched. */
  private async record(instanceId: string, problem: string | undefined, by: 'agent' | 'api'): Promise<void> {
    const cluster = this.directory.clusterOfMember(instanceId);
    const node = cluster?.nodes.get(instanceId);
    if (cluster === undefined || node === undefined) return;
    const isNews = node.status === 'ready' || saysMore(node, problem);
    if (problem === undefined ? node.status !== 'not_ready' : !isNews) return;
    const saidByApi = node.lastError?.startsWith(API_PREFIX) ?? false;
    if (problem === undefined && saidByApi !== (by === 'api')) return;
    await this.clusters.apply(
      cluster.id,
      problem === undefined ? { type: 'ready_again', instanceId } : { type: 'not_ready', instanceId, reason: problem },
      this.context(instanceId, cluster.accountId, by),
    );
  }

  private context(instanceId: string, accountId: string, by: 'agent' | 'api'): CommandContext {
    const nowMs = this.clock.wallMs();
    const commandId = deterministicUuid('node_health', by, instanceId, nowMs);
    return {
      commandId,
      correlationId: commandId,
      causationId: commandId,
      accountId,
      actor: by === 'agent' ? { kind: 'agent', id: instanceId } : { kind: 'system', id: 'kubernetes_api' },
      nowMs,
    };
  }
}
