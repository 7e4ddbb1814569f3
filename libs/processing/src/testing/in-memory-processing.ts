import type { Clock, EventCatalogue } from '#kernel';
import { START, type EventStore } from '#event-store';
import { MemoryCheckpoints } from '../adapters/memory/memory-checkpoints.js';
import { MemoryReadModelStore } from '../adapters/memory/memory-read-model-store.js';
import { MemoryTimerIndex } from '../adapters/memory/memory-timer-index.js';
import type { CommandClass, CommandDispatcher } from '../command.js';
import { readable } from '../feed/chase.js';
import type { Lane } from '../feed/lane.js';
import type { ProcessManager } from '../process-manager.js';
import { processDecisions } from '../process/decisions.js';
import { ProcessEngine } from '../process/engine.js';
import { KeyedQueue } from '../keyed-queue.js';
import { ManagerLane } from '../process/manager-lane.js';
import type { Projection, ReadModels, ReadYourWrites } from '../projection.js';
import { OrderBook } from '../projections/orders.js';
import { ProjectionLane } from '../projections/projection-lane.js';
import { checkProjection } from '../projections/query.js';
import type { ProcessingRegistrar } from '../registrar.js';

export interface InMemoryProcessingOptions {
  readonly store: EventStore;
  readonly catalogue: EventCatalogue;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly dispatcher: CommandDispatcher;
}

const EPOCH = 1;
const MAX_ROUNDS = 10_000;

/**
 * The lanes and the engine of the real host over memory, moved by `drain()` instead of loops: nothing happens in between,
 * and whatever goes wrong is thrown to the test instead of being retried.
 */
export class InMemoryProcessing implements ProcessingRegistrar, ReadYourWrites {
  private readonly tables = new MemoryReadModelStore();
  private readonly checkpoints = new MemoryCheckpoints();
  private readonly timers = new MemoryTimerIndex();
  private readonly engine: ProcessEngine;
  private readonly projections: Projection[] = [processDecisions as unknown as Projection];
  private readonly lanes: Lane[] = [];
  private readonly unsettled = new Map<string, { manager: ProcessManager; instance: string }>();
  private recovered = false;
  private orders: OrderBook | undefined;
  private readonly turns = new KeyedQueue();

  constructor(private readonly options: InMemoryProcessingOptions) {
    this.engine = new ProcessEngine({ ...options, timers: this.timers, touched: (m, id) => this.unsettle(m, id) });
  }

  get readModels(): ReadModels {
    return this.tables;
  }

  addProjection<D extends object>(projection: Projection<D>): void {
    checkProjection(projection as unknown as Projection);
    if (this.projections.some((p) => p.name === projection.name))
      throw new Error(`projection ${projection.name} is registered twice`);
    this.projections.push(projection as unknown as Projection);
  }

  addProcessManager<S>(manager: ProcessManager<S>): void {
    this.engine.addManager(manager);
  }

  addCommand<P extends object, T>(type: CommandClass<P, T>): void {
    this.engine.addCommand(type);
  }

  /** Drains first, so the answer is always `current`. */
  async waitFor(): Promise<'current' | 'behind'> {
    await this.foldProjections();
    return 'current';
  }

  /** Runs until nothing is left to do: no unread event, no unsent command, no timer due by now. Throws what fails. */
  drain(): Promise<void> {
    return this.turns.run('drain', () => this.run());
  }

  private async run(): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      await this.openLanes();
      await this.recover();
      let moved = false;
      for (const lane of this.lanes) moved = (await this.catchUp(lane)) || moved;
      for (const [key, { manager, instance }] of this.unsettled) {
        await this.engine.settle(manager, instance);
        this.unsettled.delete(key);
        moved = true;
      }
      for (const due of await this.timers.due(this.options.clock.wallMs(), 100)) {
        await this.engine.fire(due);
        moved = true;
      }
      if (!moved) return;
    }
    throw new Error(`still not quiet after ${MAX_ROUNDS} rounds: do two process managers answer each other for ever?`);
  }

  /** A log that another platform began may hold inputs whose commands it did not come to send. */
  private async recover(): Promise<void> {
    if (this.recovered) return;
    for await (const { manager, instance } of this.engine.touchedAfter(START)) this.unsettle(manager, instance);
    this.recovered = true;
  }

  private async foldProjections(): Promise<void> {
    await this.openLanes();
    for (const lane of this.lanes) if (lane instanceof ProjectionLane) await this.catchUp(lane);
  }

  private async openLanes(): Promise<void> {
    if (this.orders === undefined) {
      this.orders = new OrderBook();
      await this.orders.load(this.options.store, this.projections);
    }
    const orders = this.orders;
    const open = new Set(this.lanes.map((lane) => lane.name));
    for (const table of await this.tables.open(this.projections, EPOCH)) {
      const lane = new ProjectionLane(this.tables, table, EPOCH, () => orders.skips(table.projection));
      if (!open.has(lane.name)) this.lanes.push(lane);
    }
    for (const manager of this.engine.managers.values()) {
      const lane = new ManagerLane(this.engine, manager, this.checkpoints, EPOCH, START);
      if (open.has(lane.name)) continue;
      await this.checkpoints.claim([lane.name], EPOCH);
      this.lanes.push(lane);
    }
  }

  private catchUp(lane: Lane): Promise<boolean> {
    return this.turns.run(lane.name, async () => {
      const before = lane.position;
      for (;;) {
        const batch = await this.options.store.readAll(lane.position, { limit: 500 });
        if (batch.through <= lane.position) return lane.position > before;
        const events = readable(batch.events, lane, this.options.catalogue);
        await lane.apply(events, batch.through);
      }
    });
  }

  private unsettle(manager: ProcessManager, instance: string): void {
    this.unsettled.set(`${manager.name}-${instance}`, { manager, instance });
  }
}
