import {
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
  type Provider,
  type Type,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { ICommandHandler } from '@nestjs/cqrs';
import {
  CLOCK,
  CONFIG,
  IDS,
  LOG,
  RANDOM,
  TIMERS,
  type Clock,
  type Config,
  type Ids,
  type Log,
  type Random,
  type Timers,
} from '#kernel';
import { GATEWAY_REGISTRAR, type GatewayRegistrar } from '#agent-gateway';
import { EVENT_STORE, type EventStore } from '#event-store';
import {
  COMMAND_DISPATCHER,
  LEADERSHIP,
  PROCESSING_REGISTRAR,
  READ_MODELS,
  TRANSACTOR,
  type CommandDispatcher,
  type LeadNews,
  type ProcessingRegistrar,
  type ReadModels,
  type Transactor,
} from '#processing';
import { TOOL_REGISTRAR, type ToolRegistrar } from '#tools';
import { SdwanObserver } from './application/agent-observer.js';
import { DeviceFeed } from './application/device-feed.js';
import { DeviceService } from './application/device-service.js';
import { FailoverService } from './application/failover/failover-service.js';
import {
  CreateFirewallRuleHandler,
  DeleteFirewallRuleHandler,
  UpdateFirewallRuleHandler,
} from './application/firewall-handlers.js';
import {
  CreateAccessGrantHandler,
  RedeemAccessGrantHandler,
  RevokeAccessGrantHandler,
} from './application/grant-handlers.js';
import { RevokeGrantsOfHandler } from './application/grant-owner-handler.js';
import { grantOwners } from './application/grant-owners.js';
import {
  AnnounceNextPeerKeyHandler,
  OrderPeerKeySwitchHandler,
  RetirePeerKeyHandler,
  RotatePeerKeyHandler,
} from './application/key-handlers.js';
import { lateAgentLink } from './application/late-agent-link.js';
import {
  DetachInstanceHandler,
  DetachPeerHandler,
  FailoverVirtualIpHandler,
  MoveVirtualIpAwayHandler,
} from './application/move-handlers.js';
import { CreateNetworkHandler, DeleteNetworkHandler, UpdateNetworkHandler } from './application/network-handlers.js';
import {
  AnnouncePeerKeyHandler,
  AttachPeerHandler,
  RecordPeerDriftHandler,
  RecordPeerLivenessHandler,
  RecordPeerOverdueHandler,
  ReportPeerEndpointsHandler,
} from './application/peer-handlers.js';
import { RecordPeerRoutingHandler } from './application/peer-routing-handler.js';
import { AssignPeerPodCidrHandler } from './application/pod-range-handler.js';
import { KeyRotator } from './application/key-rotator.js';
import { peerDeadlines } from './application/peer-deadlines.js';
import { sdwanManager } from './application/sdwan-manager.js';
import { SdwanModel } from './application/sdwan-model.js';
import { SettledRecorder } from './application/settled-recorder.js';
import {
  AllocateVirtualIpHandler,
  ReleaseVirtualIpHandler,
  ReserveVirtualIpHandler,
  SetVirtualIpCandidatesHandler,
} from './application/virtual-ip-handlers.js';
import { UpdatePeerHandler } from './application/update-peer-handler.js';
import { DetachInstance, MoveVirtualIpAway, RecordPeerOverdue, RevokeGrantsOf } from './application/commands.js';
import { DevicesController } from './http/devices.controller.js';
import { sdwanProjections } from './projections/index.js';
import { registerSdwanTools } from './tools/register.js';

const handlers: Type<ICommandHandler>[] = [
  CreateNetworkHandler,
  UpdateNetworkHandler,
  DeleteNetworkHandler,
  AttachPeerHandler,
  DetachPeerHandler,
  DetachInstanceHandler,
  AnnouncePeerKeyHandler,
  ReportPeerEndpointsHandler,
  UpdatePeerHandler,
  RotatePeerKeyHandler,
  AnnounceNextPeerKeyHandler,
  OrderPeerKeySwitchHandler,
  RetirePeerKeyHandler,
  AssignPeerPodCidrHandler,
  RecordPeerDriftHandler,
  RecordPeerLivenessHandler,
  RecordPeerOverdueHandler,
  RecordPeerRoutingHandler,
  ReserveVirtualIpHandler,
  SetVirtualIpCandidatesHandler,
  AllocateVirtualIpHandler,
  ReleaseVirtualIpHandler,
  MoveVirtualIpAwayHandler,
  FailoverVirtualIpHandler,
  CreateAccessGrantHandler,
  RedeemAccessGrantHandler,
  RevokeAccessGrantHandler,
  RevokeGrantsOfHandler,
  CreateFirewallRuleHandler,
  UpdateFirewallRuleHandler,
  DeleteFirewallRuleHandler,
];

const model: Provider = {
  provide: SdwanModel,
  inject: [CONFIG],
  useFactory: (config: Config) =>
    new SdwanModel({ beatMs: config.DROVER_VIP_BEAT_MS, ttlMs: config.DROVER_VIP_LEASE_MS }),
};
const feed: Provider = { provide: DeviceFeed, inject: [SdwanModel], useFactory: (m: SdwanModel) => new DeviceFeed(m) };

const failover: Provider = {
  provide: FailoverService,
  inject: [SdwanModel, DeviceFeed, TRANSACTOR, ModuleRef, EVENT_STORE, CLOCK, TIMERS, IDS, LOG, CONFIG, LEADERSHIP],
  useFactory: (
    m: SdwanModel,
    f: DeviceFeed,
    transactor: Transactor,
    modules: ModuleRef,
    store: EventStore,
    clock: Clock,
    timers: Timers,
    ids: Ids,
    log: Log,
    config: Config,
    leadership: LeadNews,
  ) =>
    new FailoverService(
      m,
      f,
      transactor,
      lateAgentLink(modules),
      store,
      clock,
      timers,
      ids,
      log.child({ context: 'sdwan' }),
      config,
      leadership,
    ),
};

@Module({
  controllers: [DevicesController],
  providers: [model, feed, failover, DeviceService, ...handlers],
  exports: [SdwanModel, FailoverService, DeviceService],
})
export class SdwanModule implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private rotator: KeyRotator | undefined;

  constructor(
    @Inject(SdwanModel) private readonly overlay: SdwanModel,
    @Inject(FailoverService) private readonly service: FailoverService,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(PROCESSING_REGISTRAR) private readonly processing: ProcessingRegistrar,
    @Inject(GATEWAY_REGISTRAR) private readonly gateway: GatewayRegistrar,
    @Inject(TOOL_REGISTRAR) private readonly tools: ToolRegistrar,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TIMERS) private readonly timers: Timers,
    @Inject(IDS) private readonly ids: Ids,
    @Inject(RANDOM) private readonly random: Random,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Log,
    @Inject(ModuleRef) private readonly modules: ModuleRef,
    @Inject(LEADERSHIP) private readonly leadership: LeadNews,
  ) {}

  onModuleInit(): void {
    for (const projection of sdwanProjections) projection.register(this.processing);
    this.processing.addProcessManager(sdwanManager);
    this.processing.addProcessManager(peerDeadlines);
    this.processing.addProcessManager(grantOwners);
    this.processing.addCommand(MoveVirtualIpAway);
    this.processing.addCommand(DetachInstance);
    this.processing.addCommand(RecordPeerOverdue);
    this.processing.addCommand(RevokeGrantsOf);
    this.gateway.addSource(this.overlay);
    const { overlay: m, dispatcher, clock, ids, log } = this;
    const { coordinator } = this.service;
    const observer = new SdwanObserver({ model: m, dispatcher, coordinator, clock, ids, log });
    this.gateway.addObserver(observer);
    this.gateway.addObserver(
      new SettledRecorder({ model: m, store: this.store, clock, timers: this.timers, ids, log }),
    );
    const { readModels, store, random, config, service: failover } = this;
    const { routing } = observer;
    const lastHandshakeMs = (peerId: string) => observer.lastHandshakeMs(peerId);
    const rotator = this.keyRotator(lastHandshakeMs);
    this.gateway.addObserver(rotator);
    registerSdwanTools(this.tools, {
      readModels,
      store,
      clock,
      timers: this.timers,
      ids,
      random,
      config,
      failover,
      routing,
      rotator,
      lastHandshakeMs,
    });
  }

  onApplicationBootstrap(): void {
    this.rotator?.start(this.leadership);
  }

  onModuleDestroy(): void {
    this.rotator?.stop();
  }

  private keyRotator(lastHandshakeMs: (peerId: string) => number | undefined): KeyRotator {
    const { overlay: model, dispatcher, clock, timers, ids, log, config } = this;
    const link = lateAgentLink(this.modules);
    const { DROVER_KEY_ROTATION_DAYS: maxAgeDays, DROVER_KEY_ROTATION_WAIT_MINUTES: patienceMinutes } = config;
    const ports = { clock, timers, ids, log };
    return (this.rotator = new KeyRotator({
      ...{ model, link, dispatcher, maxAgeDays, patienceMinutes, lastHandshakeMs },
      ...ports,
    }));
  }
}
