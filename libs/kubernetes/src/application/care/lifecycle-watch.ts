import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import {
  CLOCK,
  deterministicUuid,
  errorMessage,
  LOG,
  TIMERS,
  type Cancel,
  type Clock,
  type Log,
  type Timers,
} from '#kernel';
import type { AgentIdentity, AgentObserver } from '#agent-gateway';
import { LEADERSHIP, TRANSACTOR, type CommandContext, type LeadNews, type Transactor } from '#processing';
import { argsDigest, type agentV1 } from '#proto';
import { argsFor } from '../../domain/cni.js';
import type { Cluster } from '../../domain/cluster/state.js';
import { Clusters } from '../clusters.js';
import { KubernetesDirectory } from '../directory.js';
import { passClaim } from '../pass-claim.js';
import { targetCluster } from '../targets.js';
import { refusedByRollout, rolloutUnderWay } from '../operations.js';
import { migrationStep, type MigrationFacts } from './migration-step.js';
import { careFor, strayReason, type InstanceFacts } from './plan.js';

/** Steps after which a node is restarted. */
const BEGINS: readonly string[] = ['start_migration', 'migrate_node'];

type KnownCluster = Cluster & { readonly accountId: string };

const LOOK_MS = 1_000;

/**
 * Looks at all clusters every second: what is stuck is told, retried or reaped by the cluster's policy, and a migration of
 * the pod network takes its next step. All that it knows is in the log, so a restart loses nothing; the cluster's stream
 * decides each step, so nothing happens twice.
 */
@Injectable()
export class LifecycleWatch implements OnApplicationBootstrap, OnModuleDestroy, AgentObserver {
  private readonly clusters: Clusters;
  private readonly runtimes = new Map<string, { readonly ready: boolean; readonly digest: string }>();
  private readonly strays = new Map<string, number>();
  /** What a cluster's migration waits at, and since when. */
  private readonly blocked = new Map<string, { readonly at: string; readonly sinceMs: number }>();
  private cancel: Cancel | undefined;
  private leads = false;
  private looking = false;

  constructor(
    @Inject(KubernetesDirectory) private readonly directory: KubernetesDirectory,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(LEADERSHIP) leadership: LeadNews,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TIMERS) private readonly timers: Timers,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.clusters = new Clusters(transactor);
    leadership.onLead((leads) => (this.leads = leads));
  }

  onApplicationBootstrap(): void {
    this.cancel = this.timers.every(LOOK_MS, () => void this.look());
  }

  onModuleDestroy(): void {
    this.cancel?.();
  }

  async onRuntimeHealth(agent: AgentIdentity, health: agentV1.RuntimeHealth): Promise<void> {
    this.runtimes.set(agent.instanceId, { ready: health.ready, digest: health.argsDigest });
  }

  async onLost(agent: AgentIdentity): Promise<void> {
    this.runtimes.delete(agent.instanceId);
  }

  /** One round. Never throws: one cluster's trouble is not the others'. */
  async look(): Promise<void> {
    if (!this.leads || this.looking) return;
    this.looking = true;
    for (const cluster of this.directory.clusters.values()) {
      if (cluster.status === 'decommissioned') continue;
      try {
        await this.careFor(cluster);
        await this.migrate(cluster);
      } catch (error) {
        this.log.warn({ cluster: cluster.id, error: errorMessage(error) }, 'its deadlines were not looked after');
      }
    }
    this.looking = false;
  }

  private async careFor(cluster: KnownCluster): Promise<void> {
    const facts = {
      instance: (id: string) => this.instance(cluster, id),
      strayMs: (id: string) => this.strayMs(cluster, id),
    };
    const actions = careFor(cluster, facts, this.clock.wallMs());
    for (const action of actions) {
      const context = this.context(cluster, JSON.stringify(action));
      if (action.kind === 'command') await this.clusters.apply(cluster.id, action.command, context);
      else await passClaim({ directory: this.directory, clusters: this.clusters }, cluster, action.reason, context);
    }
  }

  private instance(cluster: KnownCluster, id: string): InstanceFacts | undefined {
    const known = this.directory.instances.get(id);
    if (known === undefined) return undefined;
    const assigned = [...known.modules.values()].some((module) => {
      if (module.name !== 'k3s-server' && module.name !== 'k3s-agent') return false;
      const target = targetCluster(this.directory, known, module);
      return target.ok && target.id === cluster.id;
    });
    const { online, presenceSince, problem } = known;
    return { online, presenceSince, problem, assigned };
  }

  private strayMs(cluster: KnownCluster, id: string): number {
    const key = `${cluster.id} ${id}`;
    const now = this.clock.monotonicMs();
    if (strayReason(this.instance(cluster, id)) === undefined) {
      this.strays.delete(key);
      return 0;
    }
    if (!this.strays.has(key)) this.strays.set(key, now);
    return now - this.strays.get(key)!;
  }

  private async migrate(cluster: KnownCluster): Promise<void> {
    if (cluster.networkId === null) return;
    const facts = this.migrationFacts(cluster);
    const first = migrationStep(cluster, facts, this.clock.wallMs());
    if (first === undefined) return;
    const rollout = BEGINS.includes(first.type) ? await rolloutUnderWay(this.transactor, cluster.id) : undefined;
    const otherWork = rollout && refusedByRollout(rollout).message;
    const step = rollout === undefined ? first : migrationStep(cluster, { ...facts, otherWork }, this.clock.wallMs());
    if (step === undefined) return;
    await this.clusters.apply(cluster.id, step, this.context(cluster, step.type));
  }

  private migrationFacts(cluster: KnownCluster): MigrationFacts {
    const network = this.directory.networks.get(cluster.networkId!);
    const wanted = (id: string) => argsDigest(argsFor(cluster, id, cluster.nodes.get(id)?.role ?? 'server', network));
    return {
      podSubnetPrefix: network?.podSubnetPrefix ?? null,
      isRouted: (id) => (this.directory.peerOf(id, cluster.networkId)?.podCidrs.length ?? 0) > 0,
      runsAsWanted: (id) => {
        const runtime = this.runtimes.get(id);
        if (runtime === undefined || runtime.digest === '') return 'unknown';
        return runtime.ready && runtime.digest === wanted(id) ? 'yes' : 'not_yet';
      },
      name: (id) => this.directory.instances.get(id)?.name ?? id,
      blockedMs: this.blockedMs(cluster),
    };
  }

  private blockedMs(cluster: KnownCluster): number {
    const { migration } = cluster;
    const at = `${migration?.state} ${migration?.pending.length} ${migration?.current}`;
    const now = this.clock.monotonicMs();
    if (this.blocked.get(cluster.id)?.at !== at) this.blocked.set(cluster.id, { at, sinceMs: now });
    return now - this.blocked.get(cluster.id)!.sinceMs;
  }

  private context(cluster: KnownCluster, what: string): CommandContext {
    const nowMs = this.clock.wallMs();
    const commandId = deterministicUuid('lifecycle', cluster.id, what, nowMs);
    return {
      commandId,
      correlationId: commandId,
      causationId: commandId,
      accountId: cluster.accountId,
      actor: { kind: 'system', id: 'kubernetes_lifecycle' },
      nowMs,
    };
  }
}
