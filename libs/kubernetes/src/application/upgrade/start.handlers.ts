import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { CLOCK, refusal, RefusedError, type Clock } from '#kernel';
import { installableVersion } from '#fleet';
import { TRANSACTOR, type CommandContext, type CommandResult, type Transactor } from '#processing';
import { faultTolerance, type Cluster } from '../../domain/cluster/state.js';
import type { RolloutChange, RolloutOptions } from '../../domain/upgrade/events.js';
import { planNodes, type ClusterMember } from '../../domain/upgrade/plan.js';
import { mayAbort } from '../../domain/upgrade/advice.js';
import { checkSkew } from '../../domain/upgrade/skew.js';
import { isFinished, isKnown } from '../../domain/upgrade/state.js';
import { parseVersion } from '../../domain/upgrade/version.js';
import { Clusters } from '../clusters.js';
import { refusedByRestore } from '../operations.js';
import { ControlRollout, StartRotation, StartUpgrade, type StartedRollout } from './commands.js';
import { alsoBack, applyRollout, membersOf, readRollout } from './rollouts.js';
import { VersionDirectory } from './version-directory.js';

const refused = (error: unknown): { kind: 'refused'; refusal: RefusedError['refusal'] } => {
  if (error instanceof RefusedError) return { kind: 'refused', refusal: error.refusal };
  throw error;
};

const readyCluster = async (clusters: Clusters, id: string): Promise<Cluster> => {
  const cluster = await clusters.read(id);
  if (cluster?.kubeconfigRef != null && cluster.status !== 'decommissioned' && cluster.status !== 'bootstrapping')
    return cluster;
  throw new RefusedError(
    refusal(409, 'cluster_not_active', `the cluster is ${cluster?.status ?? 'unknown'}`, {
      field: 'cluster_id',
      hint: 'wait until kubernetes_get_cluster shows it active',
    }),
  );
};

/** Drained by an operator, a server is as good as any; one that was switched off then is away like any other. */
const serversAway = (members: readonly ClusterMember[]): readonly ClusterMember[] =>
  members.filter((m) => m.role === 'server' && m.status !== 'ready' && !(m.drained && m.status === 'draining'));

/** A control plane that is not whole loses its API when another server is restarted. */
const wholeControlPlane = (members: readonly ClusterMember[]): void => {
  const away = serversAway(members);
  if (away.length === 0) return;
  throw new RefusedError(
    refusal(409, 'servers_not_ready', `${away.map((m) => `${m.name} is ${m.status}`).join(', ')}`, {
      field: 'cluster_id',
      hint: 'bring these servers back, or forget them (system_forget_instance)',
      candidates: away.map((m) => ({ id: m.instanceId, name: m.name })),
    }),
  );
};

/** Some servers only, because another is away: the API must be there without the one that is restarted as well. */
const keepsQuorum = (cluster: Cluster): void => {
  if (faultTolerance(cluster) > 0) return;
  throw new RefusedError(
    refusal(409, 'quorum_at_risk', `${cluster.name} has no server to spare: its API would be gone`, {
      field: 'cluster_id',
      hint: 'bring back the servers that are not ready, or forget them (system_forget_instance)',
    }),
  );
};

const noRestore = async (transactor: Transactor, clusterId: string): Promise<void> => {
  const restore = await refusedByRestore(transactor, clusterId);
  if (restore !== undefined) throw new RefusedError(restore);
};

/** It restarts K3s node by node as well, behind gates of its own: of two at once etcd would lose two members. */
const noMigration = ({ migration }: Cluster): void => {
  if (migration == null || (migration.state !== 'running' && migration.current === null)) return;
  const done = `${migration.done.length} of ${migration.total} nodes are done`;
  throw new RefusedError(
    refusal(409, 'migration_in_progress', `the pods of this cluster are being moved to the overlay: ${done}`, {
      field: 'cluster_id',
      hint:
        migration.state === 'running'
          ? 'call again when it is completed; kubernetes_get_cluster shows how far it is'
          : 'put right what its reason names, then kubernetes_resume_pod_network_migration; kubernetes_get_cluster shows it',
    }),
  );
};

/** `k3s token rotate` came with the releases of October 2023. */
const SINCE: Readonly<Record<number, number>> = { 25: 15, 26: 10, 27: 7, 28: 2 };

const canRotateToken = (members: readonly ClusterMember[]): void => {
  const old = members.filter(({ version }) => {
    const v = version === null ? undefined : parseVersion(version);
    return v !== undefined && v.major === 1 && (v.minor < 25 || v.patch < (SINCE[v.minor] ?? 0));
  });
  if (old.length === 0) return;
  throw new RefusedError(
    refusal(
      422,
      'k3s_too_old',
      `${old.map((m) => `${m.name} runs ${m.version}`).join(', ')}: it cannot rotate its token`,
      {
        field: 'cluster_id',
        hint: 'kubernetes_upgrade_cluster to v1.28.2, or to the last patch of v1.25 to v1.27, first',
      },
    ),
  );
};

abstract class Start {
  protected readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) protected readonly transactor: Transactor,
    @Inject(CLOCK) protected readonly clock: Clock,
    @Inject(VersionDirectory) protected readonly versions: VersionDirectory,
  ) {
    this.clusters = new Clusters(transactor);
  }

  protected async begin(
    cluster: Cluster,
    change: RolloutChange,
    options: RolloutOptions,
    members: readonly ClusterMember[],
    context: CommandContext,
  ): Promise<CommandResult<StartedRollout>> {
    await noRestore(this.transactor, cluster.id);
    noMigration(cluster);
    wholeControlPlane(members);
    const target = change.kind === 'upgrade' ? change.version : null;
    const { nodes, left } = planNodes(members, target, options.canary);
    if (nodes.length === 0) return { kind: 'done', value: { run: 0, nodes, left } };
    const plan = { cluster_id: cluster.id as never, at_ms: this.clock.wallMs(), change, options, nodes: [...nodes] };
    const done = await applyRollout(this.transactor, cluster.id, { kind: 'start', plan }, context);
    const value = { run: done.state.run, nodes, left };
    return { kind: 'done', value, ...(done.position === undefined ? {} : { position: done.position }) };
  }
}

@CommandHandler(StartUpgrade)
export class StartUpgradeHandler extends Start implements ICommandHandler<StartUpgrade> {
  async execute({ payload, context }: StartUpgrade): Promise<CommandResult<StartedRollout>> {
    try {
      const cluster = await readyCluster(this.clusters, payload.cluster_id);
      const { accountId } = context;
      const to = await installableVersion(this.transactor, accountId, 'k3s-server', payload.version, 'version');
      const members = await membersOf(this.transactor, this.versions, cluster);
      const skew = checkSkew(to.version, members);
      if (skew !== undefined) return { kind: 'refused', refusal: skew };
      const change = {
        kind: 'upgrade' as const,
        version: to.version,
        version_id: to.versionId,
        from_version_id: this.versions.baseOf(cluster.id),
      };
      return await this.begin(cluster, change, payload.options, members, context);
    } catch (error) {
      return refused(error);
    }
  }
}

@CommandHandler(StartRotation)
export class StartRotationHandler extends Start implements ICommandHandler<StartRotation> {
  async execute({ payload, context }: StartRotation): Promise<CommandResult<StartedRollout>> {
    try {
      const cluster = await readyCluster(this.clusters, payload.cluster_id);
      const all = await membersOf(this.transactor, this.versions, cluster);
      // Workers have no server token.
      const { only } = payload;
      const members =
        payload.what === 'server_token'
          ? all.filter((m) => m.role === 'server')
          : all.filter((m) => only === undefined || only.includes(m.instanceId));
      if (payload.what === 'server_token') canRotateToken(members);
      if (only !== undefined && serversAway(all).length > 0 && members.some((m) => m.role === 'server'))
        keepsQuorum(cluster);
      return await this.begin(cluster, { kind: payload.what }, payload.options, members, context);
    } catch (error) {
      return refused(error);
    }
  }
}

@CommandHandler(ControlRollout)
export class ControlRolloutHandler implements ICommandHandler<ControlRollout> {
  private readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly versions: VersionDirectory,
  ) {
    this.clusters = new Clusters(transactor);
  }

  async execute({ payload, context }: ControlRollout): Promise<CommandResult<void>> {
    const { cluster_id, action } = payload;
    try {
      if (action === 'resume' || action === 'rollback') await this.alone(cluster_id);
      if (action === 'abort') await this.mayAbort(cluster_id);
      const command =
        action === 'rollback'
          ? ({ kind: action, late: await this.late(cluster_id) } as const)
          : action === 'resume'
            ? ({ kind: action, atMs: this.clock.wallMs() } as const)
            : ({ kind: action } as const);
      const done = await applyRollout(this.transactor, cluster_id, command, context);
      return { kind: 'done', value: undefined, ...(done.kind === 'accepted' ? { position: done.position } : {}) };
    } catch (error) {
      return refused(error);
    }
  }

  private async alone(clusterId: string): Promise<void> {
    await noRestore(this.transactor, clusterId);
    const cluster = await this.clusters.read(clusterId);
    if (cluster !== undefined) noMigration(cluster);
  }

  /** Servers of which some need the new token to start and others take only the former one are not a state to be left in. */
  private async mayAbort(clusterId: string): Promise<void> {
    const state = await readRollout(this.transactor, clusterId);
    if (!isKnown(state) || isFinished(state)) return;
    if (mayAbort(state, (await this.clusters.read(clusterId))?.tokenChange ?? null)) return;
    throw new RefusedError(
      refusal(
        409,
        'upgrade_state',
        'the datastore may be encrypted with the new server token already: it cannot be aborted',
        {
          field: 'cluster_id',
          hint:
            state.status === 'running'
              ? 'it goes on by itself; kubernetes_get_upgrade says what it waits for'
              : 'kubernetes_resume_upgrade brings it to its end; the last error says what it waits for',
        },
      ),
    );
  }

  private async late(clusterId: string) {
    const state = await readRollout(this.transactor, clusterId);
    const cluster = await this.clusters.read(clusterId);
    if (!isKnown(state) || cluster === undefined) return [];
    return alsoBack(state, await membersOf(this.transactor, this.versions, cluster));
  }
}
