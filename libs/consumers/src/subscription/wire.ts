import type { Refusal } from '#kernel';
import type { Encoding } from '../feed/entry.js';

/** The transport under one consumer's stream. */
export interface Wire {
  readonly encoding: Encoding;
  /** Aborts when the consumer is gone. */
  readonly closed: AbortSignal;
  /** `flushed` when the transport has let go of the bytes, i.e. the consumer's flow control has taken them. */
  write(bytes: Buffer, flushed: () => void): void;
  /** Says why, behind what was written, and ends. */
  end(reason: Refusal): void;
  /** Drops the connection or stream with all that was not taken. */
  kill(): void;
}
