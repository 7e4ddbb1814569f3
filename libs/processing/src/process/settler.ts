import { backoffMs, errorMessage, sleep, type Clock, type Log, type Timers, failpoint } from '#kernel';
import { START, type Position } from '#event-store';
import type { CheckpointStore } from '../feed/checkpoints.js';
import { FencedError, type Fault, type FaultStore } from '../feed/lane.js';
import type { ProcessManager } from '../process-manager.js';
import type { ProcessEngine } from './engine.js';
import { pmStream } from './pm-events.js';

export interface SettlerOptions {
  readonly checkpoints: CheckpointStore;
  readonly epoch: number;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly timers: Timers;
  readonly random: () => number;
  readonly log: Log;
  readonly faults: FaultStore;
  readonly signal: AbortSignal;
  /** Fenced: the whole host must stop. */
  readonly failed: (error: unknown) => void;
}

interface Running {
  again: boolean;
  attempts: number;
  sinceMs: number;
}

export const OUTPUTS_CHECKPOINT = 'process:outputs';
const AT_ONCE = 16;
const SLOW_MS = 30_000;

/**
 * Settles instances that were touched: one at a time per instance, several side by side, failures again with backoff.
 * When none is left the position of the last inbox event becomes the checkpoint from which a successor looks for work.
 */
export class Settler {
  private readonly running = new Map<string, Running>();
  private readonly tasks = new Set<Promise<void>>();
  private readonly slots: (() => void)[] = [];
  private free = AT_ONCE;
  private appended: Position = START;
  private saved: Position = START;
  private recovered = false;

  constructor(
    private readonly engine: ProcessEngine,
    private readonly options: SettlerOptions,
  ) {}

  /** Kicks every instance that an earlier host may have left unsettled. `head` is where the log ended at take-over. */
  async recover(from: Position, head: Position): Promise<void> {
    this.saved = from;
    for await (const { manager, instance } of this.engine.touchedAfter(from)) {
      await failpoint('settle.recovering');
      this.touch(manager, instance, undefined);
    }
    if (head > this.appended) this.appended = head;
    this.recovered = true;
    if (this.running.size === 0) await this.saveMark();
  }

  touch(manager: ProcessManager, instance: string, appended: Position | undefined): void {
    if (appended !== undefined && appended > this.appended) this.appended = appended;
    const stream = pmStream(manager.name, instance);
    const running = this.running.get(stream);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const state = { again: true, attempts: 0, sinceMs: 0 };
    this.running.set(stream, state);
    const task = this.run(manager, instance, stream, state)
      .catch((error: unknown) => this.options.failed(error))
      .finally(() => this.tasks.delete(task));
    this.tasks.add(task);
  }

  /**
   * After the signal aborted: resolves when the commands under way have been answered, or after `boundMs`. A command that
   * is left behind is sent again by the next host, with the same id.
   */
  async stopped(boundMs = 5_000): Promise<void> {
    const { timers, log } = this.options;
    const bound = new AbortController();
    const ended = Promise.all(this.tasks).then(() => bound.abort());
    await Promise.race([ended, sleep(timers, boundMs, bound.signal)]);
    if (this.tasks.size > 0) log.warn({ streams: [...this.running.keys()] }, 'stopped while commands were under way');
  }

  private async run(manager: ProcessManager, instance: string, stream: string, state: Running): Promise<void> {
    const { signal, timers, random } = this.options;
    while (state.again && !signal.aborted) {
      state.again = false;
      try {
        await this.inSlot(() => this.watched(stream, () => this.engine.settle(manager, instance, signal)));
        if (state.attempts > 0) await this.options.faults.clear(stream);
        state.attempts = 0;
      } catch (error) {
        if (error instanceof FencedError) throw error;
        state.again = true;
        await this.failedOnce(stream, state, error);
        await sleep(timers, backoffMs(state.attempts - 1, random, 100, 10_000), signal);
      }
    }
    this.running.delete(stream);
    if (this.running.size === 0 && !signal.aborted) await this.saveMark();
  }

  /** A command that is never answered holds its instance up; that must not go unseen. */
  private async watched(stream: string, work: () => Promise<void>): Promise<void> {
    const { timers, log } = this.options;
    const stop = timers.every(SLOW_MS, () => log.warn({ stream }, 'a command of a process manager has no answer yet'));
    try {
      await work();
    } finally {
      stop();
    }
  }

  private async failedOnce(stream: string, state: Running, error: unknown): Promise<void> {
    const { clock, faults, log } = this.options;
    if (state.attempts++ === 0) state.sinceMs = clock.wallMs();
    const { attempts, sinceMs } = state;
    const fault: Fault = { lane: stream, position: this.appended, error: errorMessage(error), attempts, sinceMs };
    log.error(
      { stream, attempts, error: fault.error },
      'a command of a process manager could not be sent; trying again',
    );
    await faults.record(fault).catch((cause: unknown) => {
      log.warn({ stream, error: errorMessage(cause) }, 'the fault could not be recorded');
    });
  }

  private async saveMark(): Promise<void> {
    const mark = this.appended;
    if (mark <= this.saved || !this.recovered) return;
    this.saved = mark;
    await failpoint('settle.done');
    await this.options.checkpoints.save(OUTPUTS_CHECKPOINT, mark, this.options.epoch).catch((error: unknown) => {
      if (error instanceof FencedError) throw error;
      // Only makes a successor look further back.
      this.options.log.warn({ error: errorMessage(error) }, 'the checkpoint of process outputs could not be saved');
    });
  }

  private async inSlot(work: () => Promise<void>): Promise<void> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.slots.push(resolve));
    try {
      await work();
    } finally {
      const next = this.slots.shift();
      if (next === undefined) this.free++;
      else next();
    }
  }
}
