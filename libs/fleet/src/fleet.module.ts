import { Global, Inject, Module, type OnModuleInit, type Provider } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { CLOCK, CONFIG, IDS, LOG, RANDOM, type Clock, type Config, type Ids, type Log, type Random } from '#kernel';
import { EVENT_STORE, type EventStore } from '#event-store';
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
import { CERTIFICATE_AUTHORITY, SECRET_STORE, type CertificateAuthority, type SecretStore } from '#access';
import {
  AGENT_LINK,
  ENROLLMENT_HANDLER,
  GATEWAY_REGISTRAR,
  type AgentLink,
  type GatewayRegistrar,
} from '#agent-gateway';
import { TOOL_REGISTRAR, type ToolRegistrar } from '#tools';
import { DrainAdvice } from './application/drain-advice.js';
import { FleetEnrollment } from './application/enrollment.js';
import { fleetAssignments } from './application/fleet-assignments.js';
import { fleetDeadlines } from './application/fleet-deadlines.js';
import { moduleDeadlines } from './application/module-deadlines.js';
import { fleetProvisioning } from './application/fleet-provisioning.js';
import { fleetUses } from './application/handlers/index.js';
import { fleetTermination } from './application/fleet-termination.js';
import { InstanceIndex } from './application/instance-index.js';
import { LivenessObserver } from './application/liveness.js';
import { FLEET_SERVICES, type FleetServices } from './application/services.js';
import { handlerFor } from './application/use.js';
import { fleetProjections } from './projections/index.js';
import { PROVISIONING_DRIVERS, type ProvisioningDriver } from './provisioning/driver.js';
import { configuredDrivers } from './provisioning/drivers.js';
import { registerFleetTools } from './tools/register.js';

const services: Provider = {
  provide: FLEET_SERVICES,
  inject: [
    TRANSACTOR,
    EVENT_STORE,
    READ_MODELS,
    CLOCK,
    IDS,
    RANDOM,
    LOG,
    CONFIG,
    CERTIFICATE_AUTHORITY,
    SECRET_STORE,
    { token: PROVISIONING_DRIVERS, optional: true },
  ],
  useFactory: (
    transactor: Transactor,
    store: EventStore,
    readModels: ReadModels,
    clock: Clock,
    ids: Ids,
    random: Random,
    log: Log,
    config: Config,
    authority: CertificateAuthority,
    secrets: SecretStore,
    given: ReadonlyMap<string, ProvisioningDriver> | undefined,
  ): FleetServices => {
    const drivers = given ?? configuredDrivers(config);
    const own = log.child({ context: 'fleet' });
    const drainAdvice = new DrainAdvice();
    const ports = { transactor, store, readModels, clock, ids, random, authority, secrets };
    return { ...ports, log: own, config, drivers, drainAdvice };
  },
};

const index: Provider = {
  provide: InstanceIndex,
  inject: [EVENT_STORE],
  useFactory: (store: EventStore) => new InstanceIndex(store),
};

const enrollment: Provider = {
  provide: ENROLLMENT_HANDLER,
  inject: [FLEET_SERVICES, COMMAND_DISPATCHER, InstanceIndex],
  useFactory: (s: FleetServices, dispatcher: CommandDispatcher, known: InstanceIndex) =>
    new FleetEnrollment(s, dispatcher, known),
};

/** Global, because the contexts above register their drain advice on its services. */
@Global()
@Module({
  providers: [services, index, enrollment, ...fleetUses.map(handlerFor)],
  exports: [ENROLLMENT_HANDLER, FLEET_SERVICES],
})
export class FleetModule implements OnModuleInit {
  constructor(
    @Inject(FLEET_SERVICES) private readonly services: FleetServices,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(PROCESSING_REGISTRAR) private readonly processing: ProcessingRegistrar,
    @Inject(GATEWAY_REGISTRAR) private readonly gateway: GatewayRegistrar,
    @Inject(TOOL_REGISTRAR) private readonly tools: ToolRegistrar,
    @Inject(InstanceIndex) private readonly index: InstanceIndex,
    private readonly modules: ModuleRef,
  ) {}

  onModuleInit(): void {
    for (const projection of fleetProjections) projection.register(this.processing);
    this.processing.addProcessManager(fleetAssignments);
    this.processing.addProcessManager(fleetProvisioning);
    this.processing.addProcessManager(fleetTermination);
    this.processing.addProcessManager(fleetDeadlines);
    this.processing.addProcessManager(moduleDeadlines);
    for (const { command } of fleetUses) this.processing.addCommand(command);
    this.gateway.addSource(this.index);
    this.gateway.addObserver(new LivenessObserver(this.services, this.dispatcher));
    const liveness: Pick<AgentLink, 'liveness'> = {
      liveness: (id) => this.modules.get<AgentLink>(AGENT_LINK, { strict: false }).liveness(id),
    };
    registerFleetTools(this.tools, this.services, liveness);
  }
}
