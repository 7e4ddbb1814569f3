import { Global, Module, type DynamicModule, type Provider } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import {
  CLOCK,
  CONFIG,
  EVENT_CATALOGUE,
  IDS,
  LOG,
  RANDOM,
  systemIds,
  systemRandom,
  TIMERS,
  type Config,
  type EventCatalogue,
  type Log,
} from '#kernel';
import { CERTIFICATE_AUTHORITY, SECRET_STORE, type CertificateAuthority, type SecretStore } from '#access';
import { AGENT_LINK, GATEWAY_REGISTRAR } from '#agent-gateway';
import { currentEvents, EVENT_STORE, type ForkEventStore } from '#event-store';
import { PROVISIONING_DRIVERS, type ProvisioningDriver } from '#fleet';
import { KUBE_APIS, type KubeApiSource } from '#kubernetes';
import {
  COMMAND_DISPATCHER,
  LEADERSHIP,
  PROCESSING_REGISTRAR,
  READ_MODELS,
  READ_YOUR_WRITES,
  Transactor,
  TRANSACTOR,
  type CommandDispatcher,
  type ProcessingHost,
} from '#processing';
import { CURSOR_CODEC, MemoryIdempotencyLedger, TOOL_REGISTRAR, ToolRegistry, type CursorCodec } from '#tools';
import { NestCommandDispatcher } from '../adapters/nest-dispatcher.js';
import { CONTEXTS } from '../contexts.js';
import type { ForkGateway } from './fork-gateway.js';
import type { VirtualTime } from './virtual-time.js';

/** All that the contexts get in a fork. None of it leads to anything that lasts or to anybody outside. */
export interface ForkParts {
  readonly config: Config;
  readonly log: Log;
  readonly time: VirtualTime;
  readonly store: ForkEventStore;
  readonly catalogue: EventCatalogue;
  readonly processing: ProcessingHost;
  readonly gateway: ForkGateway;
  readonly secrets: SecretStore;
  readonly authority: CertificateAuthority;
  readonly drivers: ReadonlyMap<string, ProvisioningDriver>;
  readonly kube: KubeApiSource;
  readonly cursors: CursorCodec;
}

const value = (provide: symbol, useValue: unknown): Provider => ({ provide, useValue });

/** A list of its own, and not the platform's with some replaced: a port that nobody thought of is missing here, and not real. */
const ports = (f: ForkParts): Provider[] => [
  value(CONFIG, f.config),
  value(EVENT_CATALOGUE, f.catalogue),
  value(LOG, f.log),
  value(CLOCK, f.time),
  value(TIMERS, f.time),
  value(IDS, systemIds),
  value(RANDOM, systemRandom),
  value(EVENT_STORE, currentEvents(f.store, f.catalogue)),
  value(TRANSACTOR, new Transactor(f.store, f.catalogue)),
  value(PROCESSING_REGISTRAR, f.processing),
  value(LEADERSHIP, f.processing),
  value(READ_MODELS, f.processing.readModels),
  value(READ_YOUR_WRITES, f.processing),
  value(SECRET_STORE, f.secrets),
  value(CERTIFICATE_AUTHORITY, f.authority),
  value(AGENT_LINK, f.gateway),
  value(GATEWAY_REGISTRAR, f.gateway),
  value(CURSOR_CODEC, f.cursors),
  value(PROVISIONING_DRIVERS, f.drivers),
  value(KUBE_APIS, f.kube),
];

const registry = (f: ForkParts): Provider => ({
  provide: ToolRegistry,
  inject: [COMMAND_DISPATCHER],
  useFactory: (dispatcher: CommandDispatcher) =>
    new ToolRegistry({
      dispatcher,
      readYourWrites: f.processing,
      ledger: new MemoryIdempotencyLedger(),
      cursors: f.cursors,
      clock: f.time,
      ids: systemIds,
      log: f.log,
      onBadOutput: 'log',
    }),
});

/** The contexts over the ports of a fork. */
@Global()
@Module({})
export class ForkModule {
  static with(parts: ForkParts): DynamicModule {
    const shared: Provider[] = [
      ...ports(parts),
      { provide: COMMAND_DISPATCHER, useClass: NestCommandDispatcher },
      registry(parts),
      { provide: TOOL_REGISTRAR, useExisting: ToolRegistry },
    ];
    return {
      module: ForkModule,
      imports: [CqrsModule.forRoot(), ...CONTEXTS],
      providers: shared,
      exports: [...shared, CqrsModule],
    };
  }
}
