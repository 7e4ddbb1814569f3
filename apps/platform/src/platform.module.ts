import { createHmac, X509Certificate } from 'node:crypto';
import { Global, Module, type DynamicModule, type Provider } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import {
  CLOCK,
  CONFIG,
  EVENT_CATALOGUE,
  IDS,
  LOG,
  RANDOM,
  systemClock,
  systemIds,
  systemRandom,
  systemTimers,
  TIMERS,
  isoTime,
} from '#kernel';
import {
  AUDIT_OFFICE,
  AuditModule,
  FORKS,
  LogRecentEvents,
  MasterKeyModule,
  PLATFORM_FACTS,
  PostgresRecentEvents,
  PROCESSING_VIEW,
  ProjectionsModule,
  RECENT_EVENTS,
  PAST_VIEWS,
  REGISTERED_PROJECTIONS,
  SealsModule,
  TimeTravelModule,
  type PlatformFacts,
} from '#audit';
import { ConsumersModule, EVENT_STREAM, webhookWarnings, WEBHOOK_ROWS, WEBHOOK_TRANSPORT } from '#consumers';
import { currentEvents, EVENT_STORE } from '#event-store';
import {
  COMMAND_DISPATCHER,
  LEADERSHIP,
  PROCESSING_REGISTRAR,
  READ_MODELS,
  READ_YOUR_WRITES,
  TRANSACTOR,
  type CommandDispatcher,
} from '#processing';
import {
  ADMISSION,
  CERTIFICATE_AUTHORITY,
  MASTER_KEY_ROTATION,
  OIDC_LOGIN,
  OPERATOR_AUTHENTICATOR,
  SECRET_STORE,
  TokenEnds,
  trustedProxies,
} from '#access';
import { AGENT_LINK, GATEWAY_REGISTRAR } from '#agent-gateway';
import { FLEET_SERVICES, type FleetServices } from '#fleet';
import { FailoverService } from '#sdwan';
import { CURSOR_CODEC, IDEMPOTENCY_LEDGER, STATE_KEY, TOOL_REGISTRAR, ToolRegistry, ToolsModule } from '#tools';
import { NestCommandDispatcher } from './adapters/nest-dispatcher.js';
import { CONTEXTS } from './contexts.js';
import { PlatformForks } from './fork/forks.js';
import type { Foundation } from './foundation.js';
import { AuthGuard } from './http/auth.guard.js';
import { EventsController } from './http/events.controller.js';
import { HealthController } from './http/health.controller.js';
import { LoginController, LogoutController } from './http/login.controller.js';
import { McpController } from './http/mcp.controller.js';
import { RefusalFilter } from './http/refusal.filter.js';
import { ResourcesController } from './http/resources.controller.js';
import { TRUSTED_PROXIES } from './http/sender.js';
import { ToolsController } from './http/tools.controller.js';
import { Metrics } from './metrics.js';
import { pastViews } from './past-views.js';
import { Readiness } from './readiness.js';
import { VERSION } from './version.js';

const value = (provide: symbol, useValue: unknown): Provider => ({ provide, useValue });

const recentEvents = ({ opened: { postgres }, store, catalogue }: Foundation) =>
  postgres === undefined || store.capabilities.adapter !== 'postgres'
    ? new LogRecentEvents(currentEvents(store, catalogue))
    : new PostgresRecentEvents(postgres.pool, catalogue);

/** Of the first certificate in there. */
const endOf = (pem: string): string => isoTime(Date.parse(new X509Certificate(pem).validTo));

const platformFacts = ({ gateway, audit, access, processing }: Foundation): PlatformFacts => ({
  version: VERSION,
  startedMs: systemClock.monotonicMs(),
  problems: async () => [
    ...[...gateway.faults()].map(([source, error]) => `desired state of ${source} stands still: ${error}`),
    ...[access.rotation?.problem].flatMap((problem) => (problem === undefined ? [] : [problem])),
    ...[audit.problem()].flatMap((problem) => (problem === undefined ? [] : [`the log is not sealed: ${problem}`])),
  ],
  warnings: () => webhookWarnings(processing.readModels),
  certificates: () => [
    { name: 'platform CA', not_after: endOf(access.ca.caPem()) },
    ...(gateway.serverCertificate === undefined
      ? []
      : [{ name: 'server certificate', not_after: endOf(gateway.serverCertificate) }]),
  ],
  seals: () => audit.standing(),
});

const ports = (f: Foundation): Provider[] => [
  value(CONFIG, f.config),
  value(CLOCK, systemClock),
  value(TIMERS, systemTimers),
  value(IDS, systemIds),
  value(RANDOM, systemRandom),
  value(LOG, f.log),
  value(EVENT_CATALOGUE, f.catalogue),
  value(EVENT_STORE, currentEvents(f.store, f.catalogue)),
  value(TRANSACTOR, f.transactor),
  value(PROCESSING_REGISTRAR, f.processing),
  value(LEADERSHIP, f.processing),
  value(READ_MODELS, f.processing.readModels),
  value(READ_YOUR_WRITES, f.processing),
  value(OPERATOR_AUTHENTICATOR, f.access.operators),
  value(OIDC_LOGIN, f.oidc ?? null),
  value(ADMISSION, f.access.admission),
  value(TRUSTED_PROXIES, trustedProxies(f.config.DROVER_TRUSTED_PROXIES)),
  value(SECRET_STORE, f.access.secrets),
  value(CERTIFICATE_AUTHORITY, f.access.ca),
  value(AGENT_LINK, f.gateway),
  value(GATEWAY_REGISTRAR, f.gateway),
  value(CURSOR_CODEC, f.cursors),
  value(STATE_KEY, createHmac('sha256', f.access.cursorKey).update('drover surface state').digest()),
  value(EVENT_STREAM, f.consumers.stream),
  value(WEBHOOK_ROWS, f.consumers.rows),
  value(WEBHOOK_TRANSPORT, f.consumers.transport),
  value(IDEMPOTENCY_LEDGER, f.ledger),
  value(RECENT_EVENTS, recentEvents(f)),
  value(PROCESSING_VIEW, f.processing),
  value(PAST_VIEWS, pastViews),
  value(REGISTERED_PROJECTIONS, () => f.processing.registeredProjections()),
  value(PLATFORM_FACTS, platformFacts(f)),
  value(AUDIT_OFFICE, f.audit),
  value(MASTER_KEY_ROTATION, f.access.rotation ?? null),
];

const registryProvider = (f: Foundation, onBadOutput: 'throw' | 'log'): Provider => ({
  provide: ToolRegistry,
  inject: [COMMAND_DISPATCHER, Metrics],
  useFactory: (dispatcher: CommandDispatcher, metrics: Metrics) =>
    new ToolRegistry({
      dispatcher,
      readYourWrites: f.processing,
      ledger: f.ledger,
      cursors: f.cursors,
      plans: f.plans,
      clock: systemClock,
      ids: systemIds,
      log: f.log.child({ part: 'tools' }),
      onBadOutput,
      tokenEnds: new TokenEnds(f.access.operators, systemClock, systemTimers),
      observe: (tool, outcome, ms, correlationId) => {
        metrics.toolCalled(tool, outcome, ms);
        f.traces?.toolCalled(tool, outcome, ms, correlationId);
      },
    }),
});

const forksProvider = (f: Foundation): Provider => ({
  provide: FORKS,
  inject: [FailoverService, FLEET_SERVICES],
  useFactory: (failover: FailoverService, services: FleetServices) => new PlatformForks(f, { failover, services }),
});

/** Hands every port to every context: the one global module. */
@Global()
@Module({})
export class PlatformModule {
  static with(foundation: Foundation, onBadOutput: 'throw' | 'log'): DynamicModule {
    const shared: Provider[] = [
      ...ports(foundation),
      { provide: COMMAND_DISPATCHER, useClass: NestCommandDispatcher },
      registryProvider(foundation, onBadOutput),
      { provide: TOOL_REGISTRAR, useExisting: ToolRegistry },
      forksProvider(foundation),
      Metrics,
      Readiness,
    ];
    return {
      module: PlatformModule,
      imports: [
        CqrsModule.forRoot(),
        ...CONTEXTS,
        ToolsModule,
        AuditModule,
        SealsModule,
        MasterKeyModule,
        TimeTravelModule,
        ProjectionsModule,
        ConsumersModule,
      ],
      controllers: [
        ToolsController,
        ResourcesController,
        McpController,
        EventsController,
        HealthController,
        LoginController,
        LogoutController,
      ],
      providers: [
        ...shared,
        { provide: APP_GUARD, useClass: AuthGuard },
        { provide: APP_FILTER, useClass: RefusalFilter },
      ],
      exports: [...shared, CqrsModule],
    };
  }
}
