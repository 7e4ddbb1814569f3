import { EventCatalogue, systemClock, systemTimers, type Config, type Log } from '#kernel';
import type { AgentGateway, EnrollmentHandler } from '#agent-gateway';
import type { OidcLogin } from '#access';
import type { AuditOffice } from '#audit';
import type { EventStore } from '#event-store';
import { memoryStorage, PostgresKeptStates, postgresStorage, ProcessingHost, Transactor } from '#processing';
import {
  CursorCodec,
  MemoryIdempotencyLedger,
  PlanCodec,
  PostgresIdempotencyLedger,
  type IdempotencyLedger,
} from '#tools';
import type { Closing } from './closing.js';
import { platformEvents } from './events.js';
import { Late, LateDispatcher } from './late.js';
import { openConsumers, type OpenedConsumers } from './parts/consumers.js';
import { openAudit } from './parts/audit.js';
import { openAccess, type OpenedAccess } from './parts/access.js';
import type { OpenedStore } from './parts/event-store.js';
import { openGateway } from './parts/gateway.js';
import { openOidc } from './parts/oidc.js';
import type { Traces } from './telemetry/traces.js';

/** All that exists before Nest: what the contexts are handed as ports. */
export interface Foundation {
  readonly config: Config;
  readonly log: Log;
  readonly opened: OpenedStore;
  readonly store: EventStore;
  readonly catalogue: EventCatalogue;
  readonly transactor: Transactor;
  readonly access: OpenedAccess;
  /** Undefined where no identity provider is configured. */
  readonly oidc: OidcLogin | undefined;
  readonly processing: ProcessingHost;
  readonly gateway: AgentGateway;
  readonly audit: AuditOffice;
  readonly ledger: IdempotencyLedger;
  readonly cursors: CursorCodec;
  readonly plans: PlanCodec;
  /** The log for consumers outside: `/events`, Subscribe, webhooks. */
  readonly consumers: OpenedConsumers;
  readonly traces: Traces | undefined;
  /** Bound when Nest has made the handlers. */
  readonly dispatcher: LateDispatcher;
  readonly enrollment: Late<EnrollmentHandler>;
}

export interface FoundationParts {
  readonly config: Config;
  readonly log: Log;
  readonly opened: OpenedStore;
  readonly closing: Closing;
  readonly traces?: Traces | undefined;
}

export const openFoundation = async ({
  config,
  log,
  opened,
  closing,
  traces,
}: FoundationParts): Promise<Foundation> => {
  const { store, postgres } = opened;
  const catalogue = new EventCatalogue(platformEvents);
  const kept = postgres === undefined ? undefined : new PostgresKeptStates(postgres.pool);
  const transactor = new Transactor(store, catalogue, kept && { states: kept, log });
  const access = await openAccess({ config, log, opened, store, transactor }, closing);
  kept?.sealWith(access.keptKey);
  const dispatcher = new LateDispatcher();
  const enrollment = new Late<EnrollmentHandler>('the enrolment handler');
  const processing = new ProcessingHost({
    store,
    catalogue,
    storage: postgres === undefined ? memoryStorage() : postgresStorage(postgres.pool),
    dispatcher,
    clock: systemClock,
    timers: systemTimers,
    log: log.child({ part: 'processing' }),
    ...(traces === undefined ? {} : { projecting: (projection) => traces.projecting(projection) }),
  });
  closing.add('processing', () => processing.stop());
  const audit = openAudit({ config, log, opened, secrets: access.secrets });
  processing.addWork(audit);
  const pushes = traces?.pushes;
  const gateway = await openGateway({
    config,
    log,
    opened,
    catalogue,
    ca: access.ca,
    enrollment: enrollment.get,
    pushes,
    term: () => processing.epoch,
  });
  closing.add('agent gateway', () => gateway.stop());
  const ledger =
    postgres === undefined ? new MemoryIdempotencyLedger(systemClock) : new PostgresIdempotencyLedger(postgres.pool);
  const oidc = openOidc({ config, log, transactor, access, ledger });
  const cursors = new CursorCodec(access.cursorKey);
  const plans = new PlanCodec(access.cursorKey);
  const consumers = openConsumers({ config, log, opened, catalogue, access, cursors, gateway, transactor });
  const parts = { config, log, opened, store, catalogue, transactor, access, processing, gateway, audit, consumers };
  return { ...parts, oidc, ledger, cursors, plans, dispatcher, enrollment, traces };
};
