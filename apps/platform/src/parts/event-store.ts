import pg from 'pg';
import { MigrationError, openEventStore, openPostgres, type EventStore } from '#event-store';
import { ConfigError, errorMessage, systemClock, systemRandom, systemTimers, type Config, type Log } from '#kernel';

const POOL_SIZE = 12;

export interface OpenedStore {
  readonly store: EventStore;
  /** For read models, secrets and the like; absent when everything is in memory. */
  readonly postgres?: { readonly pool: pg.Pool; readonly connection: pg.ClientConfig };
  /** Where it is, for the log; without a password. */
  readonly where: string;
  close(): Promise<void>;
}

/** Opens the log that the configuration names, migrated and ready. */
export const openStore = async (config: Config, parent: Log): Promise<OpenedStore> => {
  const log = parent.child({ part: 'store' });
  const edges = { clock: systemClock, timers: systemTimers, random: systemRandom, log };
  if (config.DROVER_EVENT_STORE === 'memory') {
    const store = await openEventStore({ adapter: 'memory' }, edges);
    return { store, where: 'memory (nothing is kept)', close: () => store.close() };
  }
  if (config.DROVER_EVENT_STORE === 'kurrentdb') {
    throw new ConfigError('DROVER_EVENT_STORE: kurrentdb comes in a later version; use postgres');
  }
  return openOnPostgres(config, log, edges);
};

const openOnPostgres = async (
  config: Config,
  log: Log,
  edges: Parameters<typeof openEventStore>[1],
): Promise<OpenedStore> => {
  const server = await openServer(config, log);
  try {
    const { connection } = server;
    const store = await openEventStore({ adapter: 'postgres', connection }, edges);
    const pool = new pg.Pool({ ...connection, max: POOL_SIZE, application_name: 'drover' });
    // An idle client whose server went away; the next query gets a fresh one, and says so when it can't.
    pool.on('error', (error) => log.warn({ error: error.message }, 'lost an idle database connection'));
    return {
      store,
      postgres: { pool, connection },
      where:
        server.kind === 'embedded'
          ? `embedded Postgres in ${config.DROVER_DATA_DIR}/postgres`
          : serverName(config.DATABASE_URL ?? ''),
      close: async () => {
        await store.close();
        await pool.end();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw config.DATABASE_URL === undefined ? error : unreachable(config.DATABASE_URL, error);
  }
};

const openServer = async (config: Config, log: Log): ReturnType<typeof openPostgres> => {
  const dataDir = config.DROVER_DATA_DIR;
  try {
    const databaseUrl = config.DATABASE_URL;
    return await openPostgres({
      ...(databaseUrl === undefined ? {} : { databaseUrl }),
      dataDir,
      log,
      timers: systemTimers,
    });
  } catch (error) {
    const path: unknown = error instanceof Error ? Reflect.get(error, 'path') : undefined;
    if (typeof path !== 'string' || !path.startsWith(dataDir)) throw error;
    throw new ConfigError(`DROVER_DATA_DIR: ${dataDir} cannot be used: ${errorMessage(error)}`);
  }
};

/** Of a server that someone named: what it says, under the name of the setting and without the password. */
const unreachable = (databaseUrl: string, error: unknown): unknown => {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  if (typeof code !== 'string' || error instanceof MigrationError) return error;
  return new ConfigError(`DATABASE_URL: ${serverName(databaseUrl)} cannot be used: ${errorMessage(error) || code}`);
};

const serverName = (databaseUrl: string): string => {
  const { host, pathname } = new URL(databaseUrl);
  return `Postgres at ${host}${pathname}`;
};
