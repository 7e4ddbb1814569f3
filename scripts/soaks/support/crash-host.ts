import type pg from 'pg';
import { z } from 'zod';
import { defineEvent, EventCatalogue, systemClock, systemTimers, type Log } from '#kernel';
import type { EventStore } from '#event-store';
import { postgresStorage, processingEvents, ProcessingHost, Transactor } from '#processing';
import { CloseDoor, closeDoor, doorEvents, doorman, doors } from '../../../libs/processing/src/testing/doors.js';
import { MapDispatcher } from '../../../libs/processing/src/testing/in-memory-platform.js';

const happened = defineEvent('soak.happened', 1, z.object({}));

/** A host with a projection, a process manager and its timers, on a log that holds other events too. */
export const crashHost = (store: EventStore, pool: pg.Pool, patienceMs: number, log: Log) => {
  const catalogue = new EventCatalogue([...doorEvents, ...processingEvents, happened]);
  const transactor = new Transactor(store, catalogue);
  const dispatcher = new MapDispatcher();
  dispatcher.handle(CloseDoor, closeDoor(transactor));
  const edges = { clock: systemClock, timers: systemTimers, log };
  const host = new ProcessingHost({ store, storage: postgresStorage(pool), catalogue, dispatcher, ...edges });
  host.addProjection(doors);
  host.addProcessManager(doorman(patienceMs));
  host.addCommand(CloseDoor);
  return { host, transactor };
};
