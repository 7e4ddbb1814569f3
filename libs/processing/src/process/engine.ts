import { categoryOf, deterministicUuid, type Clock, type EventCatalogue, failpoint } from '#kernel';
import type { EventStore, Position, RecordedEvent } from '#event-store';
import type { CommandClass, CommandDispatcher } from '../command.js';
import type { ProcessManager } from '../process-manager.js';
import { toStoredEvent, type Instance, type PendingCommand } from './instance.js';
import { ProcessInstances, type Arrival } from './instances.js';
import { KeyedQueue } from '../keyed-queue.js';
import { Lru } from '../lru.js';
import { pmStream } from './pm-events.js';
import type { DueTimer, TimerIndex } from './timer-index.js';

export interface EngineOptions {
  readonly store: EventStore;
  readonly catalogue: EventCatalogue;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly timers: TimerIndex;
  readonly dispatcher: CommandDispatcher;
  /**
   * Called whenever an instance may have something to do, in the same turn in which its inbox event is known to be
   * appended: so whoever keeps count of unsettled instances never misses one.
   */
  readonly touched: (manager: ProcessManager, instance: string, appended: Position | undefined) => void;
  /** Called after armed timers changed. */
  readonly timersChanged?: () => void;
}

/**
 * What a process manager does with one input, one command, one timer: without loops, locks or retries of its own, so that
 * the host, the in-memory platform and a simulator drive the very same steps.
 */
export class ProcessEngine {
  readonly managers = new Map<string, ProcessManager>();
  private readonly commands = new Map<string, CommandClass>();
  private readonly instances: ProcessInstances;
  private readonly settling = new KeyedQueue();
  private readonly syncedTimers = new Lru<string, Instance['timers']>(10_000);

  constructor(private readonly options: EngineOptions) {
    this.instances = new ProcessInstances(options.store, options.catalogue, options.clock);
  }

  addManager<S>(manager: ProcessManager<S>): void {
    if (this.managers.has(manager.name)) throw new Error(`process manager ${manager.name} is registered twice`);
    if (!/^[a-z][a-z0-9_]*$/.test(manager.name))
      throw new Error(`process manager name ${manager.name} is not snake_case`);
    this.managers.set(manager.name, manager as ProcessManager);
  }

  addCommand<P extends object, T>(type: CommandClass<P, T>): void {
    this.commands.set(type.type, type as unknown as CommandClass);
  }

  /** Puts an event into the inbox of the instance that it correlates with. */
  async take(manager: ProcessManager, id: string, event: RecordedEvent): Promise<void> {
    const { accountId, correlationId, links } = event.meta;
    const cause = { accountId, correlationId, eventId: event.id, links };
    await this.receive(manager, id, (instance) =>
      event.position > instance.eventsThrough
        ? { inputId: event.id, input: { kind: 'event', event: toStoredEvent(event) }, cause }
        : undefined,
    );
  }

  /** Takes a due timer in, unless the stream says that it was cancelled, set anew or fired before. */
  async fire(due: DueTimer): Promise<void> {
    const manager = this.managers.get(due.manager);
    if (manager === undefined) return;
    await this.receive(manager, due.instance, (instance) => {
      const timer = instance.timers.get(due.name);
      if (timer === undefined || timer.setAt !== due.setAt) {
        this.syncedTimers.delete(pmStream(due.manager, due.instance));
        return undefined;
      }
      const { name, dueMs, data, setAt, cause } = timer;
      return { inputId: `timer:${name}:${dueMs}:${setAt}`, input: { kind: 'timer', name, dueMs, data, setAt }, cause };
    });
  }

  /**
   * Brings the world to what the instance's stream says: timers indexed, commands sent in order, each answer taken in as
   * an input (whose outputs follow). Throws what the dispatcher throws; calling it again continues at the same command.
   */
  settle(manager: ProcessManager, id: string, signal?: AbortSignal): Promise<void> {
    return this.settling.run(pmStream(manager.name, id), async () => {
      while (signal?.aborted !== true) {
        const instance = await this.instances.read(manager, id);
        await this.indexTimers(manager, id, instance);
        const command = instance.pending[0];
        if (command === undefined) return;
        await this.send(manager, id, command);
      }
    });
  }

  /** Instances with inbox events after a position: those that a crash may have left unsettled. */
  async *touchedAfter(after: Position): AsyncIterable<{ manager: ProcessManager; instance: string }> {
    const categories = [...this.managers.keys()].map((name) => `pm_${name}`);
    for (let at = after; categories.length > 0;) {
      const batch = await this.options.store.readAll(at, { limit: 2_000, categories });
      for (const stream of new Set(batch.events.map((event) => event.stream))) {
        const manager = this.managers.get(categoryOf(stream).slice('pm_'.length));
        if (manager !== undefined) yield { manager, instance: stream.slice(stream.indexOf('-') + 1) };
      }
      if (batch.through <= at) return;
      at = batch.through;
    }
  }

  private async indexTimers(manager: ProcessManager, id: string, instance: Instance): Promise<void> {
    const stream = pmStream(manager.name, id);
    if (this.syncedTimers.get(stream) === instance.timers) return;
    await this.options.timers.sync(manager.name, id, [...instance.timers.values()]);
    this.syncedTimers.set(stream, instance.timers);
    this.options.timersChanged?.();
  }

  private async send(manager: ProcessManager, id: string, command: PendingCommand): Promise<void> {
    const { type, payload, version, index, cause } = command;
    const commandClass = this.commands.get(type);
    if (commandClass === undefined) throw new Error(`command ${type} of ${manager.name} is not registered`);
    await failpoint('process.dispatching');
    const result = await this.options.dispatcher.dispatch(
      new commandClass(payload, {
        commandId: deterministicUuid('pm_command', pmStream(manager.name, id), version, index),
        correlationId: cause.correlationId,
        causationId: cause.eventId,
        accountId: cause.accountId,
        actor: { kind: 'process_manager', id: manager.name },
        nowMs: this.options.clock.wallMs(),
      }),
    );
    await failpoint('process.dispatched');
    const answer =
      result.kind === 'done'
        ? ({ outcome: 'done' } as const)
        : ({ outcome: 'refused', code: result.refusal.code, message: result.refusal.message } as const);
    await this.receive(manager, id, (instance) =>
      instance.pending.some((c) => c.version === version && c.index === index)
        ? {
            inputId: `result:${version}:${index}`,
            input: { kind: 'command_result', command: type, payload, of: { version, index }, ...answer },
            cause,
          }
        : undefined,
    );
  }

  private async receive(manager: ProcessManager, id: string, arrive: (instance: Instance) => Arrival | undefined) {
    const received = await this.instances.receive(manager, id, arrive);
    this.options.touched(manager, id, received.position);
    return received;
  }
}
