import { FakeKurrent } from '../../../../../test/doubles/kurrentdb/server.js';
import { eventStoreContract } from '../../contract/event-store.contract.js';
import { KurrentEventStore } from './kurrentdb-event-store.js';

const MAX_APPEND_BYTES = 4 * 1024 * 1024;

eventStoreContract('kurrentdb', () => {
  const opened: KurrentEventStore[] = [];
  let server: FakeKurrent;
  const open = async () => {
    const store = await KurrentEventStore.open({ url: server.url });
    opened.push(store);
    return store;
  };
  return {
    open: async () => {
      server = await FakeKurrent.start({ maxAppendBytes: MAX_APPEND_BYTES });
      return open();
    },
    reopen: open,
    cleanUp: async () => {
      for (const store of opened.splice(0)) await store.close();
      await server.stop();
    },
  };
});
