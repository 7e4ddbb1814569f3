import { errorMessage, sleep, systemRandom, type Clock, type EventCatalogue, type Log, type Timers } from '#kernel';
import type { EventStore, Position } from '#event-store';
import type { CommandClass, CommandDispatcher } from '../command.js';
import { Progress } from '../feed/progress.js';
import { processDecisions } from '../process/decisions.js';
import type { ManagerLane } from '../process/manager-lane.js';
import type { ProcessManager } from '../process-manager.js';
import type { Projection, ReadModels, ReadYourWrites } from '../projection.js';
import { digestOfActive, type Digest } from '../projections/digest.js';
import { ProjectionLane } from '../projections/projection-lane.js';
import { checkProjection } from '../projections/query.js';
import type { ReadModelSnapshot } from '../projections/read-model-snapshot.js';
import type { ProcessingRegistrar } from '../registrar.js';
import { whenCutOff, type LedWork } from './leader.js';
import { eventsBehind, poisonOf, projectionReports, type Poison, type ProjectionReport } from './reports.js';
import { introspectionOf, type Introspection, type LaneStatus, type ProcessingStatus } from './status.js';
import type { ProcessingStorage } from './storage.js';
import { Term, type Watching } from './term.js';

export interface ProcessingHostOptions extends Watching {
  readonly store: EventStore;
  readonly catalogue: EventCatalogue;
  /** `postgresStorage(pool)` in the platform. */
  readonly storage: ProcessingStorage;
  readonly dispatcher: CommandDispatcher;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** Uniform in [0, 1): jitter of retries. */
  readonly random?: () => number;
}

const LEAD_TRY_MS = 250;
/** A process that was killed a moment ago still counts as leading: so long a start waits before it settles for waiting. */
const SETTLE_MS = 1_000;
const POLL_MS = 50;
const DEFAULT_BOUND_MS = 2_000;

/** Runs what contexts registered: projections and process managers, in the one process that holds the lead. */
export class ProcessingHost implements ProcessingRegistrar, ReadYourWrites {
  private readonly projections: Projection[] = [processDecisions as unknown as Projection];
  private readonly managers: ProcessManager[] = [];
  private readonly commands: CommandClass[] = [];
  private readonly works: LedWork[] = [];
  private readonly progress = new Progress();
  private readonly stopping = new AbortController();
  private loop: Promise<void> | undefined;
  private term: Term | undefined;
  epoch: number | undefined; // Of the lead that it has now: what the leader writes is fenced by it.
  private lastEpoch: number | undefined;
  /** Whether this process leads or another one does, as far as it knows. */
  private leads: boolean | undefined;
  private readonly leadListeners: ((leads: boolean) => void)[] = [];
  private readonly random: () => number;

  constructor(private readonly options: ProcessingHostOptions) {
    this.random = options.random ?? (() => systemRandom.unit());
  }

  /** What readers of this platform see now, see ProcessingStorage. */
  readonly snapshot = (): Promise<ReadModelSnapshot> => this.options.storage.snapshot();

  /** Provide as READ_MODELS. */
  get readModels(): ReadModels {
    return this.options.storage.readModels;
  }

  addProjection<D extends object>(projection: Projection<D>): void {
    const added = projection as unknown as Projection;
    this.mustNotRun();
    checkProjection(added);
    if (this.projections.some((p) => p.name === added.name))
      throw new Error(`projection ${added.name} is registered twice`);
    this.projections.push(added);
  }

  addProcessManager<S>(manager: ProcessManager<S>): void {
    this.mustNotRun();
    this.managers.push(manager as ProcessManager);
  }

  addCommand<P extends object, T>(type: CommandClass<P, T>): void {
    this.mustNotRun();
    this.commands.push(type as unknown as CommandClass);
  }

  /** Work of the leader's beside projections and process managers. */
  addWork(work: LedWork): void {
    this.mustNotRun();
    this.works.push(work);
  }

  /** Told when this process takes the lead, and when another one has it or may have; not when nobody has for a moment. */
  onLead(listener: (leads: boolean) => void): void {
    this.leadListeners.push(listener);
    if (this.leads !== undefined) listener(this.leads);
  }

  /**
   * Resolves when it is known who leads and the read models have passed what was in the log at the call; faulted ones are
   * not waited for.
   */
  async start(): Promise<void> {
    this.mustNotRun();
    const head = await this.options.store.head();
    this.loop = this.run();
    const names = this.projections.map((p) => p.name);
    while (!this.stopping.signal.aborted) {
      if (this.leads !== undefined && (await this.started(head, names))) return;
      await this.tick();
    }
  }

  /** Ends at the next batch boundary; what is under way is finished or will be done again, never twice. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.progress.alarm.ring();
    await this.loop;
  }

  async waitFor(
    position: bigint,
    projections: readonly string[],
    boundMs = DEFAULT_BOUND_MS,
  ): Promise<'current' | 'behind'> {
    const { clock, log } = this.options;
    const unknown = projections.filter((name) => !this.projections.some((p) => p.name === name));
    if (unknown.length > 0) log.error({ unknown }, 'waiting for projections that are not registered');
    const deadline = clock.monotonicMs() + boundMs;
    for (;;) {
      const reached = await this.positions(projections);
      const missing = projections.filter((name) => (reached.get(name) ?? -1n) < position);
      if (missing.length === 0) return 'current';
      const faulted = this.faultedProjections();
      if (missing.every((name) => faulted.has(name) || unknown.includes(name))) return 'behind';
      const left = deadline - clock.monotonicMs();
      if (left <= 0 || this.stopping.signal.aborted) return 'behind';
      await this.tick(Math.min(left, POLL_MS));
    }
  }

  /** Builds a projection anew beside the one that is read, and switches when it has caught up. Only where the lead is. */
  async rebuild(name: string): Promise<void> {
    const { term } = this;
    if (term === undefined) throw new Error('this process does not run the projections; ask the one that does');
    const lane = await term.rebuild(this.projection(name));
    while (lane.table.state !== 'active') {
      const { signal } = this.stopping;
      if (this.term !== term || signal.aborted)
        throw new Error(`the rebuild of ${name} was interrupted; it continues after the restart`);
      if (!term.lanes.projections.includes(lane)) throw new Error(`the rebuild of ${name} was superseded by another`);
      await this.tick();
    }
  }

  /** All tables of the registered projections as every process sees them, whoever runs them. */
  async projectionReports(): Promise<readonly ProjectionReport[]> {
    const all = await projectionReports(this.options);
    return all.filter((report) => this.projections.some((p) => p.name === report.name));
  }

  /** The event at which a table of the projection stands still; undefined when none does. */
  poison(name: string): Promise<Poison | undefined> {
    return poisonOf(this.options, this.projection(name).name);
  }

  /** Digest of the active table, whoever runs it. Compare only at equal positions. */
  async digest(name: string): Promise<Digest> {
    return digestOfActive(this.options.storage.readModels, this.projection(name));
  }

  async status(): Promise<ProcessingStatus> {
    const head = await this.options.store.head();
    const faults = await this.options.storage.faults.list();
    const { term } = this;
    const lanes = term === undefined ? [] : [...term.lanes.projections, ...term.lanes.managers];
    const role =
      this.loop === undefined || this.stopping.signal.aborted ? 'stopped' : term === undefined ? 'waiting' : 'leading';
    return { role, epoch: this.epoch, head, faults, lanes: lanes.map((lane) => this.laneStatus(lane, head)) };
  }

  async introspect(agentId: string): Promise<Introspection | undefined> {
    const manager = this.managers.find((m) => m.agentId === agentId || m.name === agentId);
    return manager && introspectionOf(manager, this.readModels, await this.status());
  }

  /** What is registered, for folding the same read models elsewhere (time travel). */
  registeredProjections(): readonly Projection[] {
    return this.projections;
  }

  /** Names of the process managers, which introspect() takes as well; several may share an agent id. */
  processManagers(): readonly string[] {
    return this.managers.map((manager) => manager.name);
  }

  /** Agent ids that introspect() knows. */
  agents(): readonly string[] {
    return this.managers.map((manager) => manager.agentId);
  }

  private async run(): Promise<void> {
    const { storage, log, timers, clock } = this.options;
    const { signal } = this.stopping;
    const settleMs = clock.monotonicMs() + SETTLE_MS;
    while (!signal.aborted) {
      try {
        const leadership = await storage.leader.tryLead();
        if (leadership !== undefined) await this.lead(leadership);
        else if (clock.monotonicMs() >= settleMs && (await storage.leader.elsewhere(this.lastEpoch)))
          this.tellLead(false);
      } catch (error) {
        log.error({ error: errorMessage(error) }, 'processing was interrupted; trying again');
      }
      await sleep(timers, LEAD_TRY_MS, signal);
    }
  }

  private async lead(
    leadership: NonNullable<Awaited<ReturnType<ProcessingStorage['leader']['tryLead']>>>,
  ): Promise<void> {
    const { projections, managers, commands, progress, random, works } = this;
    const term = new Term({ ...this.options, projections, managers, commands, progress, random, works }, leadership);
    this.options.log.info({ epoch: leadership.epoch }, 'this process runs projections and process managers');
    this.epoch = this.lastEpoch = leadership.epoch;
    this.term = term;
    this.tellLead(true);
    whenCutOff(leadership, () => this.tellLead(false));
    try {
      await term.run(this.stopping.signal);
    } finally {
      this.term = undefined;
      this.epoch = undefined;
      progress.clear();
      await leadership.release();
    }
  }

  private tellLead(leads: boolean): void {
    if (this.leads === leads) return;
    this.leads = leads;
    this.progress.alarm.ring();
    for (const listener of this.leadListeners) listener(leads);
  }

  private async started(head: Position, names: readonly string[]): Promise<boolean> {
    const reached = await this.positions(names);
    const faulted = this.faultedProjections();
    return names.every((name) => faulted.has(name) || (reached.get(name) ?? -1n) >= head);
  }

  /** Of the tables that are read here; empty when they cannot be asked: whoever waits asks again. */
  private async positions(names: readonly string[]): Promise<ReadonlyMap<string, Position>> {
    if (this.term !== undefined) {
      const reached = names.map((name) => [name, this.progress.get(name)] as const);
      return new Map(reached.filter((entry): entry is [string, Position] => entry[1] !== undefined));
    }
    try {
      return await this.options.storage.readModels.positions(this.projections.filter((p) => names.includes(p.name)));
    } catch (error) {
      this.options.log.warn({ error: errorMessage(error) }, 'the positions of the read models cannot be read');
      return new Map();
    }
  }

  private faultedProjections(): ReadonlySet<string> {
    const faulted = new Set(this.term?.faults.map((fault) => fault.lane));
    const lanes = this.term?.lanes.projections.filter((lane) => faulted.has(lane.name)) ?? [];
    return new Set(lanes.map((lane) => lane.table.projection.name));
  }

  private laneStatus(lane: ProjectionLane | ManagerLane, head: Position): LaneStatus {
    const faulted = this.term?.faults.some((fault) => fault.lane === lane.name) === true;
    const building = lane instanceof ProjectionLane && lane.table.state === 'building';
    const live = this.term?.isLive(lane) === true;
    return {
      name: lane.name,
      kind: lane instanceof ProjectionLane ? 'projection' : 'process_manager',
      position: lane.position,
      state: faulted ? 'faulted' : building ? 'building' : live ? 'live' : 'catching_up',
      behind: eventsBehind(this.options.store.capabilities.densePositions, head, lane.position),
    };
  }

  private projection(name: string): Projection {
    const projection = this.projections.find((p) => p.name === name);
    if (projection === undefined)
      throw new Error(`no projection ${name}; there are ${this.projections.map((p) => p.name).join(', ')}`);
    return projection;
  }

  /** Until something moves here, or another process may have moved something. */
  private async tick(ms = POLL_MS): Promise<void> {
    await this.progress.alarm.wait(this.options.timers, ms, this.stopping.signal);
  }

  private mustNotRun(): void {
    if (this.loop !== undefined) throw new Error('processing has been started already: register in onModuleInit');
  }
}
