import pg from 'pg';
import { testDatabase } from '#event-store';
import { secretStoreContract } from '../testing/secret-store-contract.js';
import { PostgresSecretRows } from './postgres-secret-rows.js';

secretStoreContract('on Postgres', async () => {
  const database = await testDatabase();
  const pool = new pg.Pool({ ...database.connection, max: 4 });
  return { rows: new PostgresSecretRows(pool), close: () => pool.end() };
});
