import { EventCatalogue, sequentialIds, type Clock, type EventDefinition, type Ids, ManualClock } from '#kernel';
import { MemoryEventStore, type EventStore } from '#event-store';
import type { z } from 'zod';
import type { Command, CommandClass, CommandDispatcher, CommandResult } from '../command.js';
import { processingEvents } from '../process/pm-events.js';
import { Transactor } from '../transactor.js';
import { InMemoryProcessing } from './in-memory-processing.js';

type Handler<P extends object, T> = (command: Command<P, T>) => Promise<CommandResult<T>>;

/** Commands by type to plain functions, in place of Nest's CommandBus. */
export class MapDispatcher implements CommandDispatcher {
  private readonly handlers = new Map<string, Handler<object, unknown>>();

  handle<P extends object, T>(type: CommandClass<P, T>, handler: Handler<P, T>): void {
    if (this.handlers.has(type.type)) throw new Error(`command ${type.type} has two handlers`);
    this.handlers.set(type.type, handler as unknown as Handler<object, unknown>);
  }

  async dispatch<P extends object, T>(command: Command<P, T>): Promise<CommandResult<T>> {
    const { type } = command.constructor as unknown as CommandClass<P, T>;
    const handler = this.handlers.get(type);
    if (handler === undefined) throw new Error(`command ${type} has no handler`);
    return (await handler(command as unknown as Command<object, unknown>)) as CommandResult<T>;
  }
}

export interface InMemoryPlatformOptions {
  /** All event definitions in play; those of libs/processing are added. */
  readonly definitions: Iterable<EventDefinition<string, z.ZodObject>>;
  readonly clock?: Clock;
  readonly ids?: Ids;
  /** An existing log, to continue it. */
  readonly store?: EventStore;
}

/**
 * The write side, the read side and the process managers in one process and on one clock: for tests of a context and for
 * the simulator. Register projections, managers and commands on `processing`, handlers through `handle`, then
 * `dispatch` and `drain`.
 */
export const createInMemoryPlatform = (options: InMemoryPlatformOptions) => {
  const clock = options.clock ?? new ManualClock();
  const ids = options.ids ?? sequentialIds();
  const catalogue = new EventCatalogue([...options.definitions, ...processingEvents]);
  const store = options.store ?? new MemoryEventStore(clock);
  const transactor = new Transactor(store, catalogue);
  const dispatcher = new MapDispatcher();
  const processing = new InMemoryProcessing({ store, catalogue, clock, dispatcher });
  return {
    clock,
    ids,
    catalogue,
    store,
    transactor,
    dispatcher,
    processing,
    readModels: processing.readModels,
    readYourWrites: processing,
    handle: dispatcher.handle.bind(dispatcher) as MapDispatcher['handle'],
    dispatch: <P extends object, T>(command: Command<P, T>) => dispatcher.dispatch(command),
    /** Projections folded, inboxes filled, commands sent, timers due by now fired; until nothing is left to do. */
    drain: () => processing.drain(),
  };
};
export type InMemoryPlatform = ReturnType<typeof createInMemoryPlatform>;
