import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CLOCK, isoTime, LOG, refusal, RefusedError, type Clock, type ClusterId, type Log } from '#kernel';
import { GATEWAY_REGISTRAR, type GatewayRegistrar } from '#agent-gateway';
import {
  COMMAND_DISPATCHER,
  PROCESSING_REGISTRAR,
  READ_MODELS,
  TRANSACTOR,
  type CommandDispatcher,
  type ProcessingRegistrar,
  type ReadModels,
  type Transactor,
} from '#processing';
import { TOOL_REGISTRAR, type ToolCall, type ToolRegistrar } from '#tools';
import { CertificateWatch } from '../application/certificates/certificate-watch.js';
import { Clusters } from '../application/clusters.js';
import { KubernetesDirectory } from '../application/directory.js';
import {
  AdvanceRollout,
  ControlRollout,
  StartRotation,
  StartUpgrade,
  type StartedRollout,
} from '../application/upgrade/commands.js';
import { rolloutManager } from '../application/upgrade/manager.js';
import { readRollout } from '../application/upgrade/rollouts.js';
import type { Cluster } from '../domain/cluster/state.js';
import { nextActionOf } from '../domain/upgrade/advice.js';
import { isKnown, isOwed, labelOf, progressOf, type Rollout } from '../domain/upgrade/state.js';
import { findCluster } from './find-cluster.js';
import * as tools from './upgrade-definitions.js';

/** Upgrades and rotations of clusters: tools, commands and the process that carries them on. */
@Injectable()
export class UpgradeTools implements OnModuleInit {
  private readonly clusters: Clusters;

  constructor(
    @Inject(TOOL_REGISTRAR) private readonly registrar: ToolRegistrar,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(PROCESSING_REGISTRAR) private readonly processing: ProcessingRegistrar,
    @Inject(GATEWAY_REGISTRAR) private readonly gateway: GatewayRegistrar,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOG) private readonly log: Log,
    private readonly directory: KubernetesDirectory,
  ) {
    this.clusters = new Clusters(transactor);
  }

  onModuleInit(): void {
    const log = this.log.child({ context: 'kubernetes' });
    const { clusters } = this;
    const owes = (clusterId: string, instanceId: string) => this.owes(clusterId, instanceId);
    this.gateway.addObserver(new CertificateWatch(this.directory, this.dispatcher, this.clock, log, clusters, owes));
    this.processing.addProcessManager(rolloutManager);
    this.processing.addCommand(AdvanceRollout);
    const { registrar } = this;
    registrar.add(tools.upgradeCluster, async ({ cluster_id: wanted, version, ...options }, call) => {
      const cluster_id = await this.idOf(wanted, call);
      const started = await call.run(StartUpgrade, { cluster_id, version, options });
      if (started.run === 0) return { upgrade: nothingToDo(cluster_id, version, started) };
      started.left.forEach((node) => call.warn(`${node.name} is left out: ${node.reason}`));
      if (started.nodes.filter((n) => n.role === 'server').length === 1) call.warn('outage_expected');
      return { upgrade: await this.view(cluster_id, started.left) };
    });
    registrar.add(tools.getUpgrade, async (input, call) => ({
      upgrade: await this.view(await this.idOf(input.cluster_id, call)),
    }));
    for (const [tool, action] of [
      [tools.pauseUpgrade, 'pause'],
      [tools.resumeUpgrade, 'resume'],
      [tools.abortUpgrade, 'abort'],
      [tools.rollbackUpgrade, 'rollback'],
    ] as const)
      registrar.add(tool, async (input, call) => {
        const cluster_id = await this.idOf(input.cluster_id, call);
        await call.run(ControlRollout, { cluster_id, action });
        return { upgrade: await this.view(cluster_id) };
      });
    for (const [tool, what] of [
      [tools.rotateCertificates, 'certificates'],
      [tools.rotateServerToken, 'server_token'],
    ] as const)
      registrar.add(tool, async ({ cluster_id: wanted, ...pace }, call) => {
        const cluster_id = await this.idOf(wanted, call);
        const options = { ...pace, canary: 0, canary_soak_seconds: 0 };
        const started = await call.run(StartRotation, { cluster_id, what, options });
        if (started.nodes.filter((n) => n.role === 'server').length === 1) call.warn('outage_expected');
        started.left.forEach((node) => call.warn(`${node.name} is left out: ${node.reason}`));
        return { upgrade: await this.view(cluster_id, started.left) };
      });
  }

  private async idOf(wanted: string, call: ToolCall): Promise<ClusterId> {
    return (await findCluster(this.readModels, wanted, call)).id as ClusterId;
  }

  /** A rollout of certificates left it out, and it was told: it makes them anew by itself. */
  private async owes(clusterId: string, instanceId: string): Promise<boolean> {
    const state = await readRollout(this.transactor, clusterId);
    return isKnown(state) && state.nodes.some((n) => n.instanceId === instanceId && isOwed(state, n));
  }

  /** From the rollout's own stream: a look at a rollout must not be behind it. */
  private async view(clusterId: ClusterId, left: StartedRollout['left'] = []): Promise<tools.RolloutOutput> {
    const state = await readRollout(this.transactor, clusterId);
    if (isKnown(state)) {
      const cluster = await this.clusters.read(clusterId);
      return rolloutOutput(state, left, cluster);
    }
    throw new RefusedError(
      refusal(404, 'no_upgrade', 'this cluster has had no rollout yet', {
        field: 'cluster_id',
        hint: 'kubernetes_upgrade_cluster starts one',
      }),
    );
  }
}

const leftOut = (left: StartedRollout['left']) =>
  left.map(({ instanceId: instance_id, name, reason }) => ({ instance_id, name, reason }));

const nothingToDo = (cluster_id: string, version: string, started: StartedRollout): tools.RolloutOutput => ({
  cluster_id,
  run: 0,
  kind: 'upgrade',
  state: 'completed',
  to_version: version,
  percent: 100,
  nodes_done: 0,
  nodes_total: 0,
  nodes: [],
  left_out: leftOut(started.left),
  max_unavailable: 0,
  canary: 0,
  last_error: null,
  next_action: null,
});

const rolloutOutput = (
  state: Rollout,
  left: StartedRollout['left'],
  cluster: Cluster | undefined,
): tools.RolloutOutput => {
  const { percent, done, total } = progressOf(state);
  return {
    cluster_id: state.clusterId,
    run: state.run,
    kind: state.change.kind,
    state: labelOf(state).replace(/ .*/, ''),
    to_version: state.change.kind === 'upgrade' ? state.change.version : null,
    percent,
    nodes_done: done,
    nodes_total: total,
    nodes: state.nodes.map((n) => ({
      instance_id: n.instanceId,
      name: n.name,
      role: n.role === 'server' ? 'control-plane' : 'worker',
      canary: n.canary,
      from_version: n.fromVersion,
      phase: n.phase,
      since: n.sinceMs === 0 ? null : isoTime(n.sinceMs),
      error: n.error,
    })),
    left_out: leftOut(left),
    max_unavailable: state.options.max_unavailable,
    canary: state.options.canary,
    last_error: state.nodes.findLast((n) => n.error !== null)?.error ?? null,
    next_action: nextActionOf(state, cluster?.tokenChange ?? null, (id) => cluster?.nodes.has(id) === true),
  };
};
