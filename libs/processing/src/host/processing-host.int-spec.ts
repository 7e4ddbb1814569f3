import pg from 'pg';
import { testEventStore } from '#event-store';
import { hostSuite } from '../testing/host-suite.js';
import { postgresStorage } from './storage.js';

hostSuite('Postgres', async () => {
  const { store, database } = await testEventStore();
  const pool = new pg.Pool({ ...database.connection, max: 8 });
  // Dropping the database cuts off connections that are just being closed; the pool would throw that.
  pool.on('error', () => undefined);
  const close = async () => {
    await store.close();
    await pool.end();
    await database.drop();
  };
  return { store, storage: postgresStorage(pool), close };
});
