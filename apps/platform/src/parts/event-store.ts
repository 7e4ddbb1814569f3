import { MemoryEventStore, type EventStore } from '#event-store';
import { systemClock, type Config, type Log } from '#kernel';

export interface OpenedStore {
  readonly store: EventStore;
  /** Where it is, for the log. */
  readonly where: string;
  close(): Promise<void>;
}

export const openStore = async (_config: Config, _log: Log): Promise<OpenedStore> => {
  const store = new MemoryEventStore(systemClock);
  return { store, where: 'memory', close: () => store.close() };
};
