import { join } from 'node:path';
import type pg from 'pg';
import { silentLog, systemClock, type Clock, type Log, type Random, type Timers } from '#kernel';
import { MemoryEventStore } from './adapters/memory/memory-event-store.js';
import { PostgresEventStore } from './adapters/postgres/postgres-event-store.js';
import { startEmbeddedPostgres } from './embedded/launcher.js';
import { migrate } from './migrations.js';
import type { EventStore } from './port.js';

export interface OpenedPostgres {
  readonly connection: pg.ClientConfig;
  readonly kind: 'server' | 'embedded';
  /** Stops the embedded server; a configured server is left alone. */
  stop(): Promise<void>;
}

/** The Postgres that everything uses: the configured server, or an embedded one under the data directory. */
export const openPostgres = async (options: {
  readonly databaseUrl?: string;
  readonly dataDir: string;
  readonly log?: Log;
  readonly timers?: Timers;
}): Promise<OpenedPostgres> => {
  const { databaseUrl, dataDir, ...edges } = options;
  if (databaseUrl !== undefined) {
    return { connection: { connectionString: databaseUrl }, kind: 'server', stop: async () => undefined };
  }
  const embedded = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres'), ...edges });
  return { connection: embedded.connection, kind: 'embedded', stop: () => embedded.stop() };
};

export type EventStoreConfig =
  | { readonly adapter: 'memory' }
  | { readonly adapter: 'postgres'; readonly connection: pg.ClientConfig; readonly patienceMs?: number };

export interface EventStoreEdges {
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Pick<Random, 'unit'>;
  readonly log?: Log;
}

/** Brings the schema up to date and opens the log. The caller closes it, before it stops the Postgres. */
export const openEventStore = async (config: EventStoreConfig, edges: EventStoreEdges = {}): Promise<EventStore> => {
  const log = edges.log ?? silentLog;
  if (config.adapter === 'memory') {
    log.warn({}, 'the event store is in memory: everything is lost when this process ends');
    return new MemoryEventStore(edges.clock ?? systemClock);
  }
  await migrate(config.connection, { log });
  const { connection, patienceMs } = config;
  return new PostgresEventStore({ ...edges, connection, ...(patienceMs === undefined ? {} : { patienceMs }) });
};
