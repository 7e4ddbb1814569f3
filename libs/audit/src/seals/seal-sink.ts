/** A place outside the database that seals are appended to, so that a log which was cut together with its seals gives itself away. */
export interface SealSink {
  /** For messages. */
  readonly where: string;
  /**
   * The last whole line, after whatever a crash left of a half-written one has been taken off, and every line at the end that
   * `isIncomplete` says cannot stand there alone; undefined when there is none.
   */
  repair(isIncomplete: (line: string) => boolean): Promise<string | undefined>;
  /** Appends lines in one write and returns when they are on the disk. Throws SinkMovedError when the file is not the one that was repaired. */
  append(lines: readonly string[]): Promise<void>;
  /** All whole lines. Empty when there is no file. */
  lines(): AsyncIterable<string>;
}

/** Someone else wrote to the sink, or put it aside: it must be looked at again before anything is appended. */
export class SinkMovedError extends Error {
  override readonly name = 'SinkMovedError';
}
