import { eventStoreContract } from '../../contract/event-store.contract.js';
import { testDatabase, type TestDatabase } from '../../testing/test-postgres.js';
import { PostgresEventStore } from './postgres-event-store.js';

eventStoreContract('postgres', () => {
  const opened: PostgresEventStore[] = [];
  let database: TestDatabase;
  const open = () => {
    const store = new PostgresEventStore({ connection: database.connection });
    opened.push(store);
    return store;
  };
  return {
    open: async () => {
      database = await testDatabase();
      return open();
    },
    reopen: async () => open(),
    cleanUp: async () => {
      for (const store of opened.splice(0)) await store.close();
      await database.drop();
    },
  };
});
