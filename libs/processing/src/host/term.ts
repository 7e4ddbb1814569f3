import { failpoint } from '#kernel';
import type { Clock, EventCatalogue, Log, Timers } from '#kernel';
import { START, type EventStore } from '#event-store';
import type { CommandClass, CommandDispatcher } from '../command.js';
import { FeedRunner } from '../feed/feed-runner.js';
import type { Progress } from '../feed/progress.js';
import type { Fault } from '../feed/lane.js';
import { ProcessEngine } from '../process/engine.js';
import { checkpointOf, ManagerLane } from '../process/manager-lane.js';
import { OUTPUTS_CHECKPOINT, Settler } from '../process/settler.js';
import { TimerWorker } from '../process/timer-worker.js';
import type { ProcessManager } from '../process-manager.js';
import type { Projection } from '../projection.js';
import { OrderBook } from '../projections/orders.js';
import { ProjectionLane, type ProjectionWatch } from '../projections/projection-lane.js';
import type { ProjectionTable } from '../projections/read-model-store.js';
import type { Leadership, LedWork } from './leader.js';
import type { ProcessingStorage } from './storage.js';

export interface Watching {
  /** Called when a projection begins with a batch; what it answers, with the events that it has folded and written. */
  readonly projecting?: ProjectionWatch;
}

export interface TermOptions extends Watching {
  readonly store: EventStore;
  readonly catalogue: EventCatalogue;
  readonly storage: ProcessingStorage;
  readonly dispatcher: CommandDispatcher;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: () => number;
  readonly log: Log;
  readonly projections: readonly Projection[];
  readonly managers: readonly ProcessManager[];
  readonly commands: readonly CommandClass[];
  readonly progress: Progress;
  readonly works: readonly LedWork[];
}

/** One term of leadership: everything that runs under one epoch, from take-over to the end. */
export class Term {
  private readonly ending = new AbortController();
  private failure: unknown;
  private readonly projectionFeed: FeedRunner<ProjectionLane>;
  private readonly processFeed: FeedRunner<ManagerLane>;
  private readonly engine: ProcessEngine;
  private readonly settler: Settler;
  private readonly timerWorker: TimerWorker;
  private readonly orders = new OrderBook();
  private obeying: Promise<void> = Promise.resolve();
  private projectionLanes: ProjectionLane[] = [];
  private managerLanes: ManagerLane[] = [];

  constructor(
    private readonly options: TermOptions,
    private readonly leadership: Leadership,
  ) {
    const { storage, clock, timers, random, log, progress } = options;
    const { epoch } = leadership;
    const index = storage.timers(epoch);
    this.engine = new ProcessEngine({
      ...options,
      timers: index,
      touched: (manager, instance, appended) => this.settler.touch(manager, instance, appended),
      timersChanged: () => this.timerWorker.poke(),
    });
    for (const manager of options.managers) this.engine.addManager(manager);
    for (const command of options.commands) this.engine.addCommand(command);
    const shared = { clock, timers, random, log, faults: storage.faults };
    const failed = (error: unknown) => this.fail(error);
    this.settler = new Settler(this.engine, {
      ...shared,
      checkpoints: storage.checkpoints,
      epoch,
      signal: this.ending.signal,
      failed,
    });
    this.timerWorker = new TimerWorker({ ...shared, index, engine: this.engine });
    const feed = { ...shared, store: options.store, catalogue: options.catalogue };
    this.processFeed = new FeedRunner<ManagerLane>({ ...feed, moved: () => progress.alarm.ring() });
    this.projectionFeed = new FeedRunner<ProjectionLane>({
      ...feed,
      moved: (lane) => this.report(lane),
      ignores: (lane, events) => lane.ignores(events),
      advance: async (lanes, through) => {
        await storage.readModels.advance(
          lanes.map((lane) => lane.table),
          through,
          epoch,
        );
        for (const lane of lanes) lane.moved(through);
      },
      joining: (lane) => this.joining(lane),
      seen: (events) => {
        for (const event of events) this.obeySoon(this.orders.apply(event));
      },
    });
  }

  /** Runs until the signal aborts, the lead is lost, or a write is fenced; throws what ended it but for the first. */
  async run(signal: AbortSignal): Promise<void> {
    const { lost, epoch } = this.leadership;
    const end = () => this.ending.abort();
    const ends = AbortSignal.any([signal, lost]);
    ends.addEventListener('abort', end, { once: true });
    if (ends.aborted) end();
    try {
      const { storage, projections, managers, store, works } = this.options;
      // What still cannot be applied says so again at once; what is gone must not be shown for ever.
      for (const fault of await storage.faults.list()) await storage.faults.clear(fault.lane);
      const before = await store.head();
      await this.orders.load(store, projections);
      const tables = await storage.readModels.open(projections, epoch);
      this.projectionLanes = tables.map((table) => this.laneOf(table));
      await failpoint('lanes.opened');
      const names = [...managers.map(checkpointOf), OUTPUTS_CHECKPOINT];
      const at = await storage.checkpoints.claim(names, epoch);
      const head = await store.head();
      await failpoint('lanes.claimed');
      this.managerLanes = managers.map(
        (m) => new ManagerLane(this.engine, m, storage.checkpoints, epoch, at.get(checkpointOf(m)) ?? START),
      );
      for (const lane of this.projectionLanes) this.report(lane);
      const active = this.projectionLanes.filter((lane) => lane.table.state === 'active');
      const building = this.projectionLanes.filter((lane) => lane.table.state === 'building');
      const recover = () => this.settler.recover(at.get(OUTPUTS_CHECKPOINT) ?? START, head);
      await Promise.all([
        this.guard(this.projectionFeed.run(active, building, before, this.ending.signal)),
        this.guard(recover().then(() => this.processFeed.run(this.managerLanes, [], head, this.ending.signal))),
        this.guard(this.timerWorker.run(this.ending.signal)),
        ...projections.map(({ name }) => this.obeySoon(name)),
        ...works.map((work) => this.guard(work.run({ epoch, signal: this.ending.signal }))),
      ]);
    } finally {
      end();
      ends.removeEventListener('abort', end);
      await this.settler.stopped();
      await this.obeying;
    }
    if (this.failure !== undefined) throw this.failure;
  }

  get lanes() {
    return {
      projections: this.projectionLanes as readonly ProjectionLane[],
      managers: this.managerLanes as readonly ManagerLane[],
    };
  }

  get faults(): readonly Fault[] {
    return [...this.projectionFeed.faults, ...this.processFeed.faults];
  }

  isLive(lane: ProjectionLane | ManagerLane): boolean {
    return lane instanceof ProjectionLane ? this.projectionFeed.isLive(lane) : this.processFeed.isLive(lane);
  }

  /** Starts building a fresh table; answers its lane, which becomes the active one when it has caught up. */
  async rebuild(projection: Projection, orderedAt = this.orders.rebuildAt(projection.name)): Promise<ProjectionLane> {
    const { readModels } = this.options.storage;
    await this.supersede((lane) => lane.table.state === 'building' && lane.table.projection.name === projection.name);
    const table = await readModels.rebuild(projection, this.leadership.epoch, orderedAt);
    const lane = this.laneOf(table);
    this.projectionLanes.push(lane);
    this.projectionFeed.chase(lane);
    return lane;
  }

  private laneOf(table: ProjectionTable): ProjectionLane {
    const { projection } = table;
    const skips = () => this.orders.skips(projection);
    const { storage, projecting } = this.options;
    return new ProjectionLane(storage.readModels, table, this.leadership.epoch, skips, projecting);
  }

  /** One order after the other, beside the feed that brings them. */
  private obeySoon(name: string | undefined): Promise<void> {
    if (name === undefined) return Promise.resolve();
    return (this.obeying = this.obeying.then(() => this.guard(this.obey(name))));
  }

  /**
   * Builds anew what does not answer the orders: a later one to rebuild, or an event to be skipped that the newest table has
   * folded all the same, because it could when the order was on its way.
   */
  private async obey(name: string): Promise<void> {
    if (this.ending.signal.aborted) return;
    const lanes = this.projectionLanes.filter((lane) => lane.table.projection.name === name);
    const newest = lanes.find((lane) => lane.table.state === 'building') ?? lanes[0];
    if (newest === undefined) return;
    const order = this.orders.rebuildAt(name);
    if (order <= newest.table.orderedAt && !newest.foldedTooMuch) return;
    this.options.log.info({ projection: name, table: newest.table.table }, 'a projection is built anew');
    await this.rebuild(newest.table.projection, order);
  }

  private async joining(lane: ProjectionLane): Promise<boolean> {
    if (lane.table.state === 'active') return true;
    if (!(await lane.activate())) return false;
    await this.supersede((other) => other !== lane && other.table.projection.name === lane.table.projection.name);
    this.report(lane);
    return true;
  }

  private async supersede(superseded: (lane: ProjectionLane) => boolean): Promise<void> {
    const gone = this.projectionLanes.filter(superseded);
    this.projectionFeed.retire(gone);
    this.projectionLanes = this.projectionLanes.filter((lane) => !gone.includes(lane));
    for (const lane of gone) await this.options.storage.faults.clear(lane.name);
  }

  private report(lane: ProjectionLane): void {
    if (lane.table.state === 'active') this.options.progress.report(lane.table.projection.name, lane.position);
    else this.options.progress.alarm.ring();
  }

  private async guard(work: Promise<void>): Promise<void> {
    await work.catch((error: unknown) => this.fail(error));
  }

  private fail(error: unknown): void {
    if (!this.ending.signal.aborted) this.failure ??= error;
    this.ending.abort();
  }
}
