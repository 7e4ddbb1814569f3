/** The right to run projections and process managers, until it is released or lost. */
export interface Leadership {
  /** Grows with each take-over; writes of an earlier epoch are refused. */
  readonly epoch: number;
  /** Aborts when the lock is known to be lost. It may be lost without notice: only the epoch protects the data. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** Why `lost` aborts when nothing has been heard for as long as a lease lasts: another process may lead by now. */
export class CutOffError extends Error {
  override readonly name = 'CutOffError';
}

export const whenCutOff = ({ lost }: Leadership, tell: () => void): void => {
  const told = () => {
    if (lost.reason instanceof CutOffError) tell();
  };
  lost.addEventListener('abort', told, { once: true });
};

export interface LeaderLock {
  /** Tries once; undefined while another process leads. */
  tryLead(): Promise<Leadership | undefined>;
  /**
   * Whether somebody else leads and has been heard of lately; `myEpoch` is the last one of who asks: an earlier session of
   * his own that is being ended is nobody else.
   */
  elsewhere(myEpoch: number | undefined): Promise<boolean>;
}

/**
 * Other work that only the leader does, e.g. sealing the log. Runs through a whole term and ends when the signal aborts. What it
 * writes must be fenced by the epoch; it deals with its own failures, and a FencedError that it throws ends the term.
 */
export interface LedWork {
  run(term: { readonly epoch: number; readonly signal: AbortSignal }): Promise<void>;
}
