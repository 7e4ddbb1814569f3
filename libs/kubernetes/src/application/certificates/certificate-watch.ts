import { deterministicUuid, errorMessage, type Clock, type ClusterId, type Log } from '#kernel';
import type { AgentIdentity, AgentObserver } from '#agent-gateway';
import type { CommandDispatcher } from '#processing';
import type { agentV1 } from '#proto';
import { dueForRenewal, isFresh, OWED_BOUND_MS, RENEWAL_RETRY_MS } from '../../domain/certificates/renewal.js';
import { faultTolerance, type Cluster } from '../../domain/cluster/state.js';
import type { Clusters } from '../clusters.js';
import { derive } from '../derive.js';
import type { KubernetesDirectory } from '../directory.js';
import { StartRotation } from '../upgrade/commands.js';

const PACE = { max_unavailable: 1, canary: 0, canary_soak_seconds: 0, drain: true, drain_timeout_seconds: 300 };

/** Agents say it every 10 s. One that is older than that, or that never says it, is waited for no longer. */
const UNHEARD_MS = 2 * 60_000;

/**
 * Renews a cluster's certificates before they end, node by node with the gates of a rollout. What it remembers only spaces its
 * tries: which rollouts there are is decided on their stream.
 */
export class CertificateWatch implements AgentObserver {
  private readonly triedMs = new Map<string, number>();
  /** When the certificates of each node end, as its agent said last. */
  private readonly endsMs = new Map<string, number>();
  /** Since when this process hears of any: it has just begun, or has just taken over. */
  private sinceMs: number | undefined;

  constructor(
    private readonly directory: KubernetesDirectory,
    private readonly dispatcher: CommandDispatcher,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly clusters: Pick<Clusters, 'apply'>,
    private readonly owes: (clusterId: string, instanceId: string) => Promise<boolean> = async () => false,
  ) {}

  async onRuntimeHealth(agent: AgentIdentity, health: agentV1.RuntimeHealth): Promise<void> {
    const now = this.clock.wallMs();
    if (health.certificatesEndMs === undefined) return;
    this.sinceMs ??= now;
    this.endsMs.set(agent.instanceId, health.certificatesEndMs);
    if (!dueForRenewal(health.certificatesEndMs, now)) return;
    const cluster = this.directory.clusterOfMember(agent.instanceId);
    if (cluster === undefined || !cluster.nodes.has(agent.instanceId)) return;
    if (now - (this.triedMs.get(cluster.id) ?? -Infinity) < RENEWAL_RETRY_MS) return;
    if (now - this.sinceMs < UNHEARD_MS && this.isUnheard(cluster)) return;
    const before = this.triedMs.get(cluster.id) ?? -Infinity;
    this.triedMs.set(cluster.id, now);
    if (await this.doesItAlone(cluster.id, agent.instanceId, now)) {
      // Another node of it may be due on its own account.
      this.triedMs.set(cluster.id, before);
      return;
    }
    const ends = new Date(health.certificatesEndMs).toISOString();
    const about = { cluster: cluster.id, instance: agent.instanceId, ends };
    try {
      await this.renew(cluster, agent, now, about);
    } catch (error) {
      this.log.warn({ ...about, error: errorMessage(error) }, 'certificates end soon, and their renewal did not start');
    }
  }

  /** It is just back, and was told long ago: a rollout over the whole cluster would restart all others for nothing. */
  private async doesItAlone(clusterId: string, instanceId: string, now: number): Promise<boolean> {
    const since = this.directory.instances.get(instanceId)?.presenceSince;
    if (since == null || now - Date.parse(since) > OWED_BOUND_MS) return false;
    return this.owes(clusterId, instanceId);
  }

  /** Its certificates may be new, and this process, which has just begun, has not been told yet. */
  private isUnheard(cluster: Cluster): boolean {
    return [...cluster.nodes.keys()].some(
      (id) => !this.endsMs.has(id) && this.directory.instances.get(id)?.online === true,
    );
  }

  /** Undefined: all of them. What was renewed not long ago stays as it is, while a server comes back that was away then. */
  private notFresh(cluster: Cluster, now: number): readonly string[] | undefined {
    const ids = [...cluster.nodes.keys()];
    const due = ids.filter((id) => !isFresh(this.endsMs.get(id), now));
    return due.length === ids.length ? undefined : due;
  }

  private async renew(cluster: Cluster, agent: AgentIdentity, now: number, about: object): Promise<void> {
    const command = this.rotation(cluster.id, agent, now, this.notFresh(cluster, now));
    const started = await this.dispatcher.dispatch(command);
    if (started.kind === 'done') {
      await this.clusters.apply(cluster.id, { type: 'renewal_unblocked' }, derive(command.context, 'unblocked'));
      return this.log.info(about, 'certificates end soon: they are renewed');
    }
    const { code, message, hint } = started.refusal;
    this.log.warn({ ...about, code }, `certificates end soon: ${message}`);
    // What is under way makes them anew by itself, or ends; then it is tried again. A paused migration waits for an operator.
    const ends = code === 'migration_in_progress' && cluster.migration?.state === 'running';
    if (ends || code === 'upgrade_in_progress' || code === 'restore_is_running') return;
    const blocked = {
      type: 'renewal_blocked',
      reason: message.slice(0, 500),
      nextAction: hint ?? 'kubernetes_rotate_certificates when that is mended',
      certificatesEndMs: Math.round(this.endsMs.get(agent.instanceId) ?? now),
    } as const;
    await this.clusters.apply(cluster.id, blocked, derive(command.context, 'blocked'));
    if (code === 'servers_not_ready' || code === 'quorum_at_risk') await this.othersAlone(cluster, agent, now, about);
  }

  /**
   * A server that is away keeps no worker from being renewed, and no server where one more may be away for a moment: one after
   * the other, with the gates of a rollout.
   */
  private async othersAlone(cluster: Cluster, agent: AgentIdentity, now: number, about: object): Promise<void> {
    const spare = faultTolerance(cluster) > 0;
    const only = [...cluster.nodes]
      .filter(([, n]) => n.role === 'agent' || (spare && n.status === 'ready'))
      .filter(([id]) => dueForRenewal(this.endsMs.get(id) ?? Infinity, now))
      .map(([id]) => id);
    if (only.length === 0) return;
    const started = await this.dispatcher.dispatch(this.rotation(cluster.id, agent, now, only));
    if (started.kind === 'done') this.log.info({ ...about, only }, 'the certificates of the other nodes are renewed');
    else this.log.warn({ ...about, code: started.refusal.code }, started.refusal.message);
  }

  private rotation(clusterId: string, agent: AgentIdentity, nowMs: number, only?: readonly string[]): StartRotation {
    const commandId = deterministicUuid('certificates', clusterId, nowMs, only?.join(' ') ?? 'all');
    const options = { ...PACE, node_timeout_seconds: 600 };
    return new StartRotation(
      { cluster_id: clusterId as ClusterId, what: 'certificates', options, ...(only && { only }) },
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
