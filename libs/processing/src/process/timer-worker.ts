import { backoffMs, errorMessage, type Clock, type Log, type Timers, failpoint } from '#kernel';
import { Alarm } from '../alarm.js';
import { FencedError, type FaultStore } from '../feed/lane.js';
import type { ProcessEngine } from './engine.js';
import { START } from '#event-store';
import type { DueTimer, TimerIndex } from './timer-index.js';

export interface TimerWorkerOptions {
  readonly index: TimerIndex;
  readonly engine: ProcessEngine;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly timers: Timers;
  readonly log: Log;
  readonly random: () => number;
  readonly faults: FaultStore;
}

interface Failing {
  readonly attempts: number;
  readonly sinceMs: number;
  readonly retryMs: number;
}

/** Looks at least this often, because the wall clock may step. */
const LOOK_EVERY_MS = 1_000;
const BATCH = 1_000;

/** Fires due timers. Whether one really fires is decided by its stream; this only says when to ask. */
export class TimerWorker {
  /** Fired or dismissed here, until their entries are gone: settling removes them. */
  private readonly handled = new Set<string>();
  private readonly failing = new Map<string, Failing>();
  private readonly alarm = new Alarm();
  private poked = false;

  constructor(private readonly options: TimerWorkerOptions) {}

  /** Armed timers changed: the next one may be due sooner. */
  poke(): void {
    this.poked = true;
    this.alarm.ring();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log, timers } = this.options;
    while (!signal.aborted) {
      this.poked = false;
      let waitMs = LOOK_EVERY_MS;
      try {
        waitMs = await this.round(signal);
      } catch (error) {
        if (error instanceof FencedError) throw error;
        log.error({ error: errorMessage(error) }, 'due timers could not be fired; trying again');
      }
      if (!this.poked) await this.alarm.wait(timers, waitMs, signal);
    }
  }

  /** Fires what is due; answers how long nothing will be, in milliseconds. */
  private async round(signal: AbortSignal): Promise<number> {
    const { index, clock } = this.options;
    const due = await index.due(clock.wallMs(), BATCH);
    const present = new Set(due.map(keyOf));
    for (const key of this.handled) if (!present.has(key)) this.handled.delete(key);
    for (const timer of due) {
      if (signal.aborted) return 0;
      if (!this.handled.has(keyOf(timer))) await this.fire(timer);
    }
    const next = await index.next();
    if (next === undefined) return LOOK_EVERY_MS;
    const untilNext = next - clock.wallMs();
    // Entries that were handled and wait for their removal must not make this spin: their removal pokes.
    return untilNext <= 0 && due.length > 0 ? 50 : Math.min(Math.max(untilNext, 0), LOOK_EVERY_MS);
  }

  /** One that cannot be fired is tried again later and holds no other up. */
  private async fire(timer: DueTimer): Promise<void> {
    const { engine, clock, faults, log, random } = this.options;
    const key = keyOf(timer);
    const before = this.failing.get(key);
    const now = clock.wallMs();
    if (before !== undefined && before.retryMs > now) return;
    const lane = `timer:${timer.manager}-${timer.instance}:${timer.name}`;
    try {
      await failpoint('timer.due');
      await engine.fire(timer);
      await failpoint('timer.fired');
      this.handled.add(key);
      if (this.failing.delete(key)) await faults.clear(lane);
    } catch (error) {
      if (error instanceof FencedError) throw error;
      const attempts = (before?.attempts ?? 0) + 1;
      const sinceMs = before?.sinceMs ?? now;
      this.failing.set(key, { attempts, sinceMs, retryMs: now + backoffMs(attempts - 1, random, 250, 10_000) });
      log.error({ lane, attempts, error: errorMessage(error) }, 'a timer could not be fired; trying again');
      await faults.record({ lane, position: START, error: errorMessage(error), attempts, sinceMs });
    }
  }
}

const keyOf = (t: DueTimer): string => `${t.manager}-${t.instance}\n${t.name}\n${t.setAt}`;
