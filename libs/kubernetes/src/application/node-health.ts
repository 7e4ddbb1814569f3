import { deterministicUuid, type Clock } from '#kernel';
import type { AgentIdentity, AgentObserver } from '#agent-gateway';
import type { CommandContext } from '#processing';
import type { agentV1 } from '#proto';
import type { Clusters } from './clusters.js';
import type { KubernetesDirectory } from './directory.js';

/** Turns what agents see of their own K3s, and agents that fall silent, into not_ready and ready transitions. */
export class NodeHealth implements AgentObserver {
  constructor(
    private readonly directory: KubernetesDirectory,
    private readonly clusters: Clusters,
    private readonly clock: Clock,
  ) {}

  onRuntimeHealth(agent: AgentIdentity, health: agentV1.RuntimeHealth): Promise<void> {
    return this.record(agent, health.ready ? undefined : health.detail.slice(0, 300) || 'the runtime is not ready');
  }

  onLost(agent: AgentIdentity, silentMs: number): Promise<void> {
    return this.record(agent, `no sign of life for ${Math.round(silentMs)} ms`);
  }

  /** Transitions only: the directory tells whether anything would change before a stream is touched. */
  private async record(agent: AgentIdentity, problem: string | undefined): Promise<void> {
    const cluster = this.directory.clusterOfMember(agent.instanceId);
    const node = cluster?.nodes.get(agent.instanceId);
    if (cluster === undefined || node === undefined) return;
    if (problem === undefined ? node.status !== 'not_ready' : node.status !== 'ready') return;
    const instanceId = agent.instanceId;
    await this.clusters.apply(
      cluster.id,
      problem === undefined ? { type: 'ready_again', instanceId } : { type: 'not_ready', instanceId, reason: problem },
      this.context(agent),
    );
  }

  private context(agent: AgentIdentity): CommandContext {
    const nowMs = this.clock.wallMs();
    const commandId = deterministicUuid('node_health', agent.instanceId, nowMs);
    return {
      commandId,
      correlationId: commandId,
      causationId: commandId,
      accountId: agent.accountId,
      actor: { kind: 'agent', id: agent.instanceId },
      nowMs,
    };
  }
}
