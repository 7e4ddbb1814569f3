import { crashSuite } from '../testing/crash-suite.js';
import { postgresGround } from '../testing/postgres-ground.js';
import { postgresStorage } from './storage.js';

// A sample: the full matrix runs in memory, this shows that the SQL keeps the same promises.
crashSuite('Postgres', 4, ['open'], async () => {
  const { store, pool, close } = await postgresGround();
  return { store, storage: postgresStorage(pool), close };
});
