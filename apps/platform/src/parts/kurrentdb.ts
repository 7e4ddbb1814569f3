import type pg from 'pg';
import {
  bindOutsideLog,
  EventStoreUnavailableError,
  KurrentEventStore,
  MAX_EVENT_BYTES,
  parseKurrentAddress,
} from '#event-store';
import { ConfigError, systemClock, systemIds, systemRandom, systemTimers, type Config, type Log } from '#kernel';

/** What the server counts beside an event's content: its type, who wrote it, and when. */
const ALLOWANCE_BYTES = 1024;

/** Looked at before anything is started. @throws ConfigError when it is absent or malformed. */
export const kurrentUrl = ({ KURRENTDB_URL: url }: Config): string => {
  if (url === undefined)
    throw new ConfigError(
      'KURRENTDB_URL: must be set with DROVER_EVENT_STORE=kurrentdb, e.g. kurrentdb://USER:PASSWORD@HOST:2113',
    );
  parseKurrentAddress(url);
  return url;
};

/** The log on KurrentDB, answering, and bound to the database that holds everything else. */
export const openKurrent = async (config: Config, pool: pg.Pool, log: Log): Promise<KurrentEventStore> => {
  const url = kurrentUrl(config);
  const edges = { clock: systemClock, timers: systemTimers, random: systemRandom, ids: systemIds, log };
  const store = await KurrentEventStore.open({ url, namespace: config.KURRENTDB_NAMESPACE, ...edges });
  try {
    const { where } = store;
    await bindOutsideLog(pool, { identity: await store.identity(), head: () => store.head(), where });
    const limit = await store.tooSmallFor(MAX_EVENT_BYTES + ALLOWANCE_BYTES);
    if (limit !== undefined)
      log.warn(
        { where, limit },
        'KurrentDB takes appends up to its MaxAppendSize only, and Drover may need more: raise it',
      );
    if (store.ignoresCredentials)
      log.warn({ where }, 'without TLS the user and password of KURRENTDB_URL are not sent to KurrentDB');
    return store;
  } catch (error) {
    await store.close();
    throw error instanceof EventStoreUnavailableError ? new ConfigError(`KURRENTDB_URL: ${error.message}`) : error;
  }
};
