import { ordersSuite } from '../testing/orders-suite.js';
import { postgresGround } from '../testing/postgres-ground.js';
import { postgresStorage } from './storage.js';

ordersSuite('Postgres', async () => {
  const { store, pool, close } = await postgresGround();
  return { store, storage: postgresStorage(pool), close };
});
