import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import {
  CLOCK,
  CONFIG,
  LOG,
  RANDOM,
  TIMERS,
  type Clock,
  type Config,
  type Log,
  type Random,
  type Timers,
} from '#kernel';
import { SECRET_STORE, type SecretStore } from '#access';
import { AGENT_LINK, GATEWAY_REGISTRAR, type AgentLink, type GatewayRegistrar } from '#agent-gateway';
import { EVENT_STORE, type EventStore } from '#event-store';
import { FLEET_SERVICES, type FleetServices } from '#fleet';
import {
  COMMAND_DISPATCHER,
  PROCESSING_REGISTRAR,
  TRANSACTOR,
  type CommandDispatcher,
  type ProcessingRegistrar,
  type Transactor,
} from '#processing';
import { ResumeMigrationHandler, SetLifecyclePolicyHandler } from './application/care/care.handlers.js';
import { LifecycleWatch } from './application/care/lifecycle-watch.js';
import { ClaimClusterHandler } from './application/claim.handler.js';
import { clusterHealthManager } from './application/cluster-health-manager.js';
import { ClusterWatches } from './application/cluster-watches.js';
import { Clusters } from './application/clusters.js';
import { JudgeClusterHandler } from './application/judge-cluster.handler.js';
import * as commands from './application/commands.js';
import { KubernetesDirectory } from './application/directory.js';
import { CleanUpNodeHandler, RecordCleanUpFailedHandler } from './application/clean-up-node.handler.js';
import { departureManager } from './application/departure-manager.js';
import { Departures } from './application/departures.js';
import { DrainNodeHandler } from './application/drain.handler.js';
import { UncordonNodeHandler } from './application/uncordon.handler.js';
import { K3sHandshake } from './application/handshake.js';
import { Joins } from './application/joins.js';
import { kubeconfigParts, registerKubeconfigs } from './application/kubeconfigs/parts.js';
import { KUBE_APIS, KubeApis, type KubeApiSource } from './application/kube-api.js';
import {
  DecommissionClusterHandler,
  RemoveNodeHandler,
  SyncVipCandidatesHandler,
} from './application/lifecycle.handlers.js';
import { candidatesManager, instanceManager } from './application/managers.js';
import { ModuleReceipts } from './application/module-receipts.js';
import { ModulesSource } from './application/modules-source.js';
import { NodeHealth } from './application/node-health.js';
import { PodRanges } from './application/pod-ranges.js';
import { registerSnapshots, snapshotParts } from './application/snapshots/parts.js';
import { NodeReports } from './application/node-reports.js';
import { upgradeParts, VersionDirectory } from './application/upgrade/parts.js';
import { WorkerTokens } from './application/worker-tokens.js';
import { kubernetesProjections } from './projections/index.js';
import { KubernetesTools } from './tools/handlers.js';
import { SnapshotTools } from './tools/snapshot-handlers.js';
import { UpgradeTools } from './tools/upgrade-handlers.js';

@Module({
  providers: [
    KubernetesDirectory,
    NodeReports,
    ...upgradeParts,
    ...snapshotParts,
    ...kubeconfigParts,
    SnapshotTools,
    {
      provide: KubeApis,
      inject: [AGENT_LINK, SECRET_STORE, TIMERS, { token: KUBE_APIS, optional: true }],
      useFactory: (link: AgentLink, secrets: SecretStore, timers: Timers, given?: KubeApiSource) =>
        given ?? new KubeApis(link, secrets, timers),
    },
    PodRanges,
    LifecycleWatch,
    SetLifecyclePolicyHandler,
    ResumeMigrationHandler,
    ClaimClusterHandler,
    DrainNodeHandler,
    UncordonNodeHandler,
    RemoveNodeHandler,
    Departures,
    ClusterWatches,
    JudgeClusterHandler,
    CleanUpNodeHandler,
    RecordCleanUpFailedHandler,
    SyncVipCandidatesHandler,
    DecommissionClusterHandler,
    KubernetesTools,
    UpgradeTools,
  ],
})
export class KubernetesModule implements OnModuleInit {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(RANDOM) private readonly random: Random,
    @Inject(LOG) private readonly log: Log,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    @Inject(PROCESSING_REGISTRAR) private readonly processing: ProcessingRegistrar,
    @Inject(GATEWAY_REGISTRAR) private readonly gateway: GatewayRegistrar,
    @Inject(FLEET_SERVICES) private readonly fleet: FleetServices,
    private readonly directory: KubernetesDirectory,
    private readonly apis: KubeApis,
    private readonly departures: Departures,
    private readonly watch: LifecycleWatch,
    private readonly versions: VersionDirectory,
    private readonly reports: NodeReports,
  ) {}

  onModuleInit(): void {
    const { directory, dispatcher, secrets, clock, transactor } = this;
    const log = this.log.child({ context: 'kubernetes' });
    const clusters = new Clusters(transactor);
    const tokens = new WorkerTokens(this.apis, clock, this.random);
    const joins = new Joins({
      departures: this.departures,
      directory,
      clusters,
      tokens,
      secrets,
      transactor,
      clock,
      log,
    });
    const source = new ModulesSource(directory, this.config.DROVER_K3S_BIN, this.versions);
    this.gateway.addSource(source);
    const receipts = new ModuleReceipts({ directory, source, store: this.store, clock, log });
    source.watch = (event, touched) => receipts.note(event, touched);
    this.gateway.addObserver(receipts);
    this.gateway.addPhaseHandler(
      new K3sHandshake({ transactor, directory, clusters, joins, secrets, dispatcher, clock }),
    );
    this.gateway.addObserver(new NodeHealth(directory, clusters, clock));
    this.gateway.addObserver(this.watch);
    this.gateway.addObserver(this.reports);
    this.fleet.drainAdvice.add(async (instanceId) => directory.drainWarnings(instanceId));
    this.fleet.drainAdvice.addEnd(this.departures);
    for (const projection of kubernetesProjections) projection.register(this.processing);
    this.processing.addProcessManager(instanceManager);
    this.processing.addProcessManager(candidatesManager);
    this.processing.addProcessManager(departureManager);
    registerSnapshots(this.processing);
    registerKubeconfigs(this.processing);
    this.processing.addProcessManager(clusterHealthManager);
    this.processing.addCommand(commands.ClaimCluster);
    this.processing.addCommand(commands.SyncVipCandidates);
    this.processing.addCommand(commands.DrainNode);
    this.processing.addCommand(commands.UncordonNode);
    this.processing.addCommand(commands.RemoveNode);
    this.processing.addCommand(commands.CleanUpNode);
    this.processing.addCommand(commands.JudgeCluster);
    this.processing.addCommand(commands.RecordCleanUpFailed);
    this.processing.addCommand(commands.DecommissionCluster);
    this.processing.addCommand(commands.SetLifecyclePolicy);
    this.processing.addCommand(commands.ResumeMigration);
  }
}
