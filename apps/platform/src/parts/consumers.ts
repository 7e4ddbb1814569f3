import { systemClock, systemRandom, systemTimers, type Config, type EventCatalogue, type Log } from '#kernel';
import type { AgentGateway } from '#agent-gateway';
import {
  endpointOf,
  eventsService,
  eventsServiceDefinition,
  EventStream,
  healthReporter,
  HttpTransport,
  MemoryWebhookRows,
  PostgresWebhookRows,
  WebhookRunner,
  type WebhookRows,
  type WebhookTransport,
} from '#consumers';
import { MemoryLeaderLock, PostgresLeaderLock, type Transactor } from '#processing';
import type { CursorCodec } from '#tools';
import type { OpenedAccess } from './access.js';
import type { OpenedStore } from './event-store.js';

export interface OpenedConsumers {
  readonly stream: EventStream;
  readonly rows: WebhookRows;
  readonly transport: WebhookTransport;
  readonly webhooks: WebhookRunner;
  /** Cuts the streams, ends the deliveries. */
  stop(): Promise<void>;
}

export interface ConsumerParts {
  readonly config: Config;
  readonly log: Log;
  readonly opened: OpenedStore;
  readonly catalogue: EventCatalogue;
  readonly access: OpenedAccess;
  readonly cursors: CursorCodec;
  readonly gateway: AgentGateway;
  readonly transactor: Transactor;
}

/** Beside the lock of processing: who delivers to webhooks need not be who runs the projections. */
const WEBHOOK_LOCK = 7_203_118;
const BACKOFF = { baseMs: 1_000, capMs: 300_000 };

const edges = { clock: systemClock, timers: systemTimers, random: systemRandom };

/** The log for consumers: one stream of events under gRPC (beside Enroll) and SSE (beside the tools), and the webhooks. */
export const openConsumers = (parts: ConsumerParts): OpenedConsumers => {
  const { config, opened, catalogue, access, cursors, gateway } = parts;
  const { store, postgres } = opened;
  const log = parts.log.child({ part: 'consumers' });
  const limits = { perProcess: config.DROVER_CONSUMERS, perAccount: config.DROVER_CONSUMERS_PER_ACCOUNT };
  const stream = new EventStream({ ...edges, store, catalogue, authority: access.operators, cursors, log, limits });
  gateway.addOpenService(eventsServiceDefinition, eventsService({ stream, log, limits: access.limits }));
  const rows = postgres === undefined ? new MemoryWebhookRows() : new PostgresWebhookRows(postgres.pool);
  const allowPrivate = config.DROVER_WEBHOOK_ALLOW_PRIVATE === 'yes';
  const transport = new HttpTransport({ timers: systemTimers, allowPrivate });
  const { tail, catchUp, current } = stream;
  const leader =
    postgres === undefined
      ? new MemoryLeaderLock()
      : new PostgresLeaderLock(postgres.pool, 'webhooks', { lockKey: WEBHOOK_LOCK });
  const endpoint = endpointOf(access.secrets);
  const report = healthReporter(parts.transactor, systemClock);
  const shared = {
    ...edges,
    report,
    store,
    tail,
    catchUp,
    current,
    rows,
    transport,
    endpoint,
    leader,
    log,
    backoff: BACKOFF,
  };
  const webhooks = new WebhookRunner(shared);
  const stop = async () => {
    stream.stop();
    await webhooks.stop();
  };
  return { stream, rows, transport, webhooks, stop };
};
