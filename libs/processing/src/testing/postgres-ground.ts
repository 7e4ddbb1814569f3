import pg from 'pg';
import { testEventStore, type PostgresEventStore } from '#event-store';

/** A fresh database with an event store and a pool, for integration tests. */
export const postgresGround = async (): Promise<{
  store: PostgresEventStore;
  pool: pg.Pool;
  close(): Promise<void>;
}> => {
  const { store, database } = await testEventStore();
  const pool = new pg.Pool({ ...database.connection, max: 8 });
  // Dropping the database cuts off connections that are just being closed; the pool would throw that.
  pool.on('error', () => undefined);
  // As in the platform: a connection that is lost while it is lent out shows in the next query.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const close = async () => {
    await store.close();
    await pool.end();
    await database.drop();
  };
  return { store, pool, close };
};
