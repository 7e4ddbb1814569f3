/** An armed timer as the index keeps it. Its data stays in the stream. */
export interface TimerEntry {
  readonly name: string;
  readonly dueMs: number;
  readonly setAt: number;
}

export interface DueTimer extends TimerEntry {
  readonly manager: string;
  readonly instance: string;
}

/**
 * Durable index of armed timers by due time. The streams are the truth: an entry that its stream no longer confirms is
 * dropped without effect, so writing it late or twice is harmless; losing one is not, hence durable.
 */
export interface TimerIndex {
  /** Makes the entries of one instance equal to `timers`. */
  sync(manager: string, instance: string, timers: readonly TimerEntry[]): Promise<void>;
  /** Entries due at `nowMs`, earliest first. */
  due(nowMs: number, limit: number): Promise<readonly DueTimer[]>;
  /** Due time of the earliest entry, in milliseconds since the epoch. */
  next(): Promise<number | undefined>;
}
