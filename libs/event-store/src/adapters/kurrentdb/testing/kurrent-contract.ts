import { systemIds } from '#kernel';
import { eventStoreContract } from '../../../contract/event-store.contract.js';
import { KurrentEventStore } from '../kurrentdb-event-store.js';

/** The contract suite on a server: each log is a namespace of its own there, so that the server may be anybody's. */
export const kurrentContract = (name: string, url: () => Promise<string>, maxAppendBytes?: number): void => {
  const run = systemIds.uuid().slice(0, 8);
  let logs = 0;
  eventStoreContract(name, () => {
    const opened: KurrentEventStore[] = [];
    const open = async () => {
      const store = await KurrentEventStore.open({ url: await url(), namespace: `drover_test_${run}_${logs}` });
      opened.push(store);
      return store;
    };
    return {
      ...(maxAppendBytes === undefined ? {} : { maxAppendBytes }),
      open: () => {
        logs++;
        return open();
      },
      reopen: open,
      cleanUp: async () => {
        for (const store of opened.splice(0)) await store.close();
      },
    };
  });
};
