import { postgresGround } from '../testing/postgres-ground.js';
import { storageSuite } from '../testing/storage-suite.js';
import { postgresStorage } from './storage.js';

storageSuite('Postgres', async () => {
  const { pool, close } = await postgresGround();
  return { storage: postgresStorage(pool), close };
});
