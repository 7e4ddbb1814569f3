import pg from 'pg';
import { errorMessage, sleep, type Timers } from '#kernel';
import { SUPERUSER } from './cluster.js';
import { DataDirInUseError, EmbeddedPostgresError } from './errors.js';
import { SOCKET_PORT } from './socket-dir.js';

/** Any fixed number: the session that holds this advisory lock in database `postgres` owns the data directory. */
const OWNER_LOCK = 7_203_114;

export const adminConfig = (socketDir: string): pg.ClientConfig => ({
  host: socketDir,
  port: SOCKET_PORT,
  user: SUPERUSER,
  database: 'postgres',
});

/** A session on the server, or undefined when nobody listens on the socket or it is not ready yet. */
export const tryConnect = async (socketDir: string): Promise<pg.Client | undefined> => {
  const client = new pg.Client({
    ...adminConfig(socketDir),
    application_name: 'drover-owner',
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined); // Reported through 'end', which every user of the session watches.
  try {
    await client.connect();
    return client;
  } catch (error) {
    // Not there (ENOENT, ECONNREFUSED), cut off while starting, or "the database system is starting up" / "shutting down".
    const code = (error as { code?: string }).code ?? '';
    if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', '57P03'].includes(code)) return undefined;
    if (/Connection terminated/.test(errorMessage(error))) return undefined;
    throw new EmbeddedPostgresError(`cannot talk to the embedded Postgres in ${socketDir}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
};

/**
 * Makes this session the owner of the data directory. The lock lives exactly as long as the session, so a killed
 * platform frees it; the short wait covers the moment until the server notices that the killed one is gone.
 */
export const takeOwnership = async (
  client: pg.Client,
  home: string,
  cluster: string,
  timers: Timers,
): Promise<void> => {
  const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
  if (rows[0]?.data_directory !== cluster) {
    throw new EmbeddedPostgresError(`the Postgres on this socket serves ${rows[0]?.data_directory}, not ${cluster}`);
  }
  for (let attempt = 0; attempt < 20; attempt++) {
    const answer = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [OWNER_LOCK]);
    if (answer.rows[0]?.got === true) return;
    await sleep(timers, 100);
  }
  throw new DataDirInUseError(
    `${home} is in use by another running Drover; stop that one, or give this one its own DROVER_DATA_DIR`,
  );
};
