import { EventCatalogue, silentLog, sleep, systemClock, systemTimers, type Log } from '#kernel';
import type { EventStore } from '#event-store';
import type { CommandDispatcher } from '../command.js';
import { ProcessingHost } from '../host/processing-host.js';
import type { ProcessingStorage } from '../host/storage.js';
import { processingEvents } from '../process/pm-events.js';
import type { ProcessManager } from '../process-manager.js';
import type { Projection } from '../projection.js';
import { Transactor } from '../transactor.js';
import { CloseDoor, closeDoor, doorEvents, doors } from './doors.js';
import { MapDispatcher } from './in-memory-platform.js';

export const doorCatalogue = new EventCatalogue([...doorEvents, ...processingEvents]);

export interface HostParts {
  readonly store: EventStore;
  readonly storage: ProcessingStorage;
  readonly projections?: readonly Projection[];
  readonly managers?: readonly ProcessManager[];
  readonly dispatcher?: CommandDispatcher;
  readonly log?: Log;
}

/** A host on the machine's clock with the test domain; not started. */
export const doorHost = (parts: HostParts) => {
  const { store, storage } = parts;
  const transactor = new Transactor(store, doorCatalogue);
  const handlers = new MapDispatcher();
  handlers.handle(CloseDoor, closeDoor(transactor));
  const dispatcher = parts.dispatcher ?? handlers;
  const edges = { clock: systemClock, timers: systemTimers, log: parts.log ?? silentLog };
  const host = new ProcessingHost({ store, storage, catalogue: doorCatalogue, dispatcher, ...edges });
  for (const projection of parts.projections ?? [doors as unknown as Projection]) host.addProjection(projection);
  for (const manager of parts.managers ?? []) host.addProcessManager(manager);
  host.addCommand(CloseDoor);
  return { host, transactor, handlers };
};

/** For what never comes: machines differ tenfold. */
export const BOUND_MS = 60_000;

/** Polls until the condition holds; fails loudly after `boundMs`. */
export const until = async (what: string, condition: () => Promise<boolean> | boolean, boundMs = BOUND_MS) => {
  const deadline = systemClock.monotonicMs() + boundMs;
  while (!(await condition())) {
    if (systemClock.monotonicMs() > deadline) throw new Error(`still not after ${boundMs} ms: ${what}`);
    await sleep(systemTimers, 10);
  }
};
