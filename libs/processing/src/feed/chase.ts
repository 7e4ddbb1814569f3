import { backoffMs, errorMessage, type Clock, type EventCatalogue, type Log } from '#kernel';
import type { Batch, EventStore, Position } from '#event-store';
import { current, FencedError, type Fault, type FaultStore, type Lane } from './lane.js';

export interface ChaseOptions {
  readonly store: EventStore;
  readonly catalogue: EventCatalogue;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly random: () => number;
  readonly log: Log;
  readonly faults: FaultStore;
}

export type Step = 'joined' | 'moved' | { readonly waitMs: number };

const BATCH = 2_000;
const RETRY_BASE_MS = 100;
const RETRY_CAP_MS = 5_000;
const IDLE_MS = 20;

/**
 * One lane reading on its own, a step at a time. A batch that fails is gone through event by event, so that all before
 * the poison is applied and the fault names the very event.
 */
export class Chase<L extends Lane> {
  private singlyUntil: Position | undefined;
  private fault: Fault | undefined;

  constructor(
    private readonly lane: L,
    private readonly options: ChaseOptions,
    private readonly changed: (fault: Fault | undefined) => void,
  ) {}

  async step(join: () => Promise<boolean>): Promise<Step> {
    const singly = this.singlyUntil !== undefined && this.lane.position < this.singlyUntil;
    let batch: Batch | undefined;
    try {
      batch = await this.options.store.readAll(this.lane.position, { limit: singly ? 1 : BATCH });
      if (batch.through <= this.lane.position) {
        if (!(await join())) return { waitMs: IDLE_MS };
        await this.clear();
        return 'joined';
      }
      const events = batch.events.map((event) => current(event, this.options.catalogue));
      await this.lane.apply(events, batch.through);
      await this.clear();
      return 'moved';
    } catch (error) {
      if (error instanceof FencedError) throw error;
      if (batch !== undefined && batch.events.length > 1) {
        this.singlyUntil = batch.through;
        return 'moved';
      }
      return await this.failed(batch?.events[0]?.position ?? this.lane.position, error);
    }
  }

  private async failed(position: Position, error: unknown): Promise<Step> {
    const { clock, faults, log, random } = this.options;
    const same = this.fault?.position === position ? this.fault : undefined;
    const attempts = (same?.attempts ?? 0) + 1;
    const sinceMs = same?.sinceMs ?? clock.wallMs();
    this.fault = { lane: this.lane.name, position, error: errorMessage(error), attempts, sinceMs };
    this.changed(this.fault);
    log.error({ ...this.fault, position: String(position) }, 'a lane stands still: this event cannot be applied');
    await faults.record(this.fault).catch((cause: unknown) => {
      // The cause of the fault may be that the database is away; the fault stays visible in this process.
      log.warn({ lane: this.lane.name, error: errorMessage(cause) }, 'the fault could not be recorded');
    });
    return { waitMs: backoffMs(attempts - 1, random, RETRY_BASE_MS, RETRY_CAP_MS) };
  }

  private async clear(): Promise<void> {
    if (this.fault === undefined) return;
    await this.options.faults.clear(this.lane.name);
    this.options.log.info({ lane: this.lane.name }, 'the lane moves again');
    this.fault = undefined;
    this.changed(undefined);
  }
}
