import { deterministicUuid, errorMessage, type Clock, type ClusterId, type Log } from '#kernel';
import type { AgentIdentity, AgentObserver } from '#agent-gateway';
import type { CommandDispatcher } from '#processing';
import type { agentV1 } from '#proto';
import { dueForRenewal, RENEWAL_RETRY_MS } from '../../domain/certificates/renewal.js';
import type { KubernetesDirectory } from '../directory.js';
import { StartRotation } from '../upgrade/commands.js';

const PACE = { max_unavailable: 1, canary: 0, canary_soak_seconds: 0, drain: true, drain_timeout_seconds: 300 };

/**
 * Renews a cluster's certificates before they end, node by node with the gates of a rollout. What it remembers only spaces its
 * tries: which rollouts there are is decided on their stream.
 */
export class CertificateWatch implements AgentObserver {
  private readonly triedMs = new Map<string, number>();

  constructor(
    private readonly directory: KubernetesDirectory,
    private readonly dispatcher: CommandDispatcher,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  async onRuntimeHealth(agent: AgentIdentity, health: agentV1.RuntimeHealth): Promise<void> {
    const now = this.clock.wallMs();
    if (health.certificatesEndMs === undefined || !dueForRenewal(health.certificatesEndMs, now)) return;
    const cluster = this.directory.clusterOfMember(agent.instanceId);
    if (cluster === undefined || !cluster.nodes.has(agent.instanceId)) return;
    if (now - (this.triedMs.get(cluster.id) ?? -Infinity) < RENEWAL_RETRY_MS) return;
    this.triedMs.set(cluster.id, now);
    const ends = new Date(health.certificatesEndMs).toISOString();
    const about = { cluster: cluster.id, instance: agent.instanceId, ends };
    try {
      const started = await this.dispatcher.dispatch(this.rotation(cluster.id, agent, now));
      if (started.kind === 'done') this.log.info(about, 'certificates end soon: they are renewed');
      else this.log.warn({ ...about, code: started.refusal.code }, `certificates end soon: ${started.refusal.message}`);
    } catch (error) {
      this.log.warn({ ...about, error: errorMessage(error) }, 'certificates end soon, and their renewal did not start');
    }
  }

  private rotation(clusterId: string, agent: AgentIdentity, nowMs: number): StartRotation {
    const commandId = deterministicUuid('certificates', clusterId, nowMs);
    const options = { ...PACE, node_timeout_seconds: 600 };
    return new StartRotation(
      { cluster_id: clusterId as ClusterId, what: 'certificates', options },
      {
        commandId,
        correlationId: commandId,
        causationId: commandId,
        accountId: agent.accountId,
        actor: { kind: 'system', id: 'certificate_watch' },
        nowMs,
      },
    );
  }
}
