import { systemClock, systemRandom, systemTimers, type Config, type EventCatalogue, type Log } from '#kernel';
import type { AgentGateway } from '#agent-gateway';
import { eventsService, eventsServiceDefinition, EventStream } from '#consumers';
import type { EventStore } from '#event-store';
import type { CursorCodec } from '#tools';
import type { OpenedAccess } from './access.js';

export interface ConsumerParts {
  readonly config: Config;
  readonly log: Log;
  readonly store: EventStore;
  readonly catalogue: EventCatalogue;
  readonly access: OpenedAccess;
  readonly cursors: CursorCodec;
  readonly gateway: AgentGateway;
}

/** The log for consumers: one stream of events under both surfaces, gRPC beside Enroll and SSE beside the tools. */
export const openConsumers = (parts: ConsumerParts): EventStream => {
  const { config, store, catalogue, access, cursors, gateway } = parts;
  const log = parts.log.child({ part: 'consumers' });
  const stream = new EventStream({
    store,
    catalogue,
    authority: access.operators,
    cursors,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    log,
    limits: { perProcess: config.DROVER_CONSUMERS, perAccount: config.DROVER_CONSUMERS_PER_ACCOUNT },
  });
  gateway.addOpenService(eventsServiceDefinition, eventsService({ stream, log }));
  return stream;
};
