import pg from 'pg';
import {
  migrate,
  MigrationError,
  openEventStore,
  openPostgres,
  refuseOutsideLog,
  type EventStore,
  type OpenedPostgres,
} from '#event-store';
import { ConfigError, errorMessage, systemClock, systemRandom, systemTimers, type Config, type Log } from '#kernel';
import { kurrentUrl, openKurrent } from './kurrentdb.js';

const POOL_SIZE = 12;
/** A server that is gone without a word is noticed; the first covers the wait for a free connection too. */
const PATIENCE = { connectionTimeoutMillis: 30_000, keepAlive: true, keepAliveInitialDelayMillis: 10_000 };

type Edges = NonNullable<Parameters<typeof openEventStore>[1]>;

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
  if (config.KURRENTDB_URL !== undefined && config.DROVER_EVENT_STORE !== 'kurrentdb')
    log.warn({}, `KURRENTDB_URL is set, but events go elsewhere: DROVER_EVENT_STORE is ${config.DROVER_EVENT_STORE}`);
  if (config.DROVER_EVENT_STORE === 'memory') {
    const store = await openEventStore({ adapter: 'memory' }, edges);
    return { store, where: 'memory (nothing is kept)', close: () => store.close() };
  }
  if (config.DROVER_EVENT_STORE === 'kurrentdb') kurrentUrl(config);
  return openOnPostgres(config, log, edges);
};

/** Postgres holds the events, or everything but them. */
const openOnPostgres = async (config: Config, log: Log, edges: Edges): Promise<OpenedStore> => {
  const server = await openServer(config, log);
  let pool: pg.Pool | undefined;
  try {
    const { connection } = server;
    await migrate(connection, { log });
    pool = new pg.Pool({ ...connection, ...PATIENCE, max: POOL_SIZE, application_name: 'drover' });
    // An idle client whose server went away; the next query gets a fresh one, and says so when it can't.
    pool.on('error', (error) => log.warn({ error: error.message }, 'lost an idle database connection'));
    // The pool listens to idle clients only; one that is lost in use would end the process. Its next query says so too.
    pool.on('connect', (client) =>
      client.on('error', (error) => log.debug({ error: error.message }, 'lost a database connection')),
    );
    const { store, where } = await openLog(config, { pool, connection }, log, edges);
    return { store, postgres: { pool, connection }, where, close: () => closeAll(store, pool!, server) };
  } catch (error) {
    await pool?.end();
    await server.stop();
    throw config.DATABASE_URL === undefined ? error : unreachable(config.DATABASE_URL, error);
  }
};

const openLog = async (
  config: Config,
  { pool, connection }: NonNullable<OpenedStore['postgres']>,
  log: Log,
  edges: Edges,
): Promise<{ store: EventStore; where: string }> => {
  const database =
    config.DATABASE_URL === undefined
      ? `embedded Postgres in ${config.DROVER_DATA_DIR}/postgres`
      : serverName(config.DATABASE_URL);
  if (config.DROVER_EVENT_STORE === 'kurrentdb') {
    const store = await openKurrent(config, pool, log);
    return { store, where: `KurrentDB at ${store.where}, the rest in ${database}` };
  }
  await refuseOutsideLog(pool);
  return { store: await openEventStore({ adapter: 'postgres', connection }, edges), where: database };
};

const closeAll = async (store: EventStore, pool: pg.Pool, server: OpenedPostgres): Promise<void> => {
  await store.close();
  await pool.end();
  await server.stop();
};

const openServer = async (config: Config, log: Log): Promise<OpenedPostgres> => {
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

/** As pg reads it: `postgresql://me@/db?host=/run/postgresql` names a socket, and is no URL to anybody else. */
const serverName = (connectionString: string): string => {
  const { host, port, database } = new pg.Client({ connectionString });
  return `Postgres at ${host.startsWith('/') ? host : `${host}:${port}`}/${database}`;
};
