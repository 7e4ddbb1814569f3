import { backoffMs, errorMessage, type Clock, type EventCatalogue, type Log } from '#kernel';
import type { Batch, EventStore, Position, RecordedEvent } from '#event-store';
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
/** Whether a lane has joined the live feed, or when to ask again. */
export type Join = boolean | { readonly waitMs: number };

const BATCH = 2_000;
/** A page as short as this says that the lane has all but caught up. */
const NEAR = 200;
const RETRY_BASE_MS = 100;
const RETRY_CAP_MS = 5_000;
const IDLE_MS = 20;

/**
 * One lane reading on its own, a step at a time; the next page is read while one is applied. A batch that fails is gone
 * through event by event, so that all before the poison is applied and the fault names the very event.
 */
export class Chase<L extends Lane> {
  private singlyUntil: Position | undefined;
  private fault: Fault | undefined;
  private ahead: { readonly after: Position; readonly page: Promise<Batch> } | undefined;

  constructor(
    private readonly lane: L,
    private readonly options: ChaseOptions,
    private readonly changed: (fault: Fault | undefined) => void,
  ) {}

  async step(join: () => Promise<Join>): Promise<Step> {
    const from = this.lane.position;
    const singly = this.singlyUntil !== undefined && from < this.singlyUntil;
    let batch: Batch | undefined;
    try {
      batch = await this.page(from, singly);
      if (batch.through > from)
        await this.lane.apply(readable(batch.events, this.lane, this.options.catalogue), batch.through);
      if (batch.through > from) await this.clear();
      if (singly || batch.events.length > NEAR) return 'moved';
      await this.lane.prepare?.();
      const joined = await join();
      if (typeof joined === 'object') return joined;
      if (joined) {
        await this.clear();
        return 'joined';
      }
      return batch.through > from ? 'moved' : { waitMs: IDLE_MS };
    } catch (error) {
      if (error instanceof FencedError) throw error;
      // It went back to what is durable, and is to find out on the way here again what it could not write.
      if (this.lane.position < from) return 'moved';
      if (batch !== undefined && batch.events.length > 1 && this.lane.position === from) {
        this.singlyUntil = batch.through;
        return 'moved';
      }
      // What failed after a batch was applied is no event's fault.
      const poison = this.lane.position === from ? batch?.events[0] : undefined;
      return await this.failed(poison?.position ?? this.lane.position, error);
    }
  }

  private async page(after: Position, singly: boolean): Promise<Batch> {
    const { ahead } = this;
    this.ahead = undefined;
    if (singly) return this.options.store.readAll(after, { limit: 1 });
    const batch = await (ahead?.after === after ? ahead.page : this.options.store.readAll(after, { limit: BATCH }));
    if (batch.events.length > NEAR) {
      const page = this.options.store.readAll(batch.through, { limit: BATCH });
      // Whoever takes the page meets its error; one that nobody takes is of no interest.
      page.catch(() => undefined);
      this.ahead = { after: batch.through, page };
    }
    return batch;
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

/** Events in their current schema; those that the lane passes stay as they are stored, because they may not be readable. */
export const readable = (
  events: readonly RecordedEvent[],
  lane: Lane,
  catalogue: EventCatalogue,
): readonly RecordedEvent[] => events.map((event) => (lane.skip?.(event) === true ? event : current(event, catalogue)));
