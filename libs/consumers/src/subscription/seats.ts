import { refusal, RefusedError } from '#kernel';

export interface SeatLimits {
  readonly perProcess: number;
  readonly perAccount: number;
}

/** How many consumers there may be at once, so that one account cannot take the places of all. */
export class Seats {
  private taken = 0;
  private readonly byAccount = new Map<string, number>();

  constructor(private readonly limits: SeatLimits) {}

  get count(): number {
    return this.taken;
  }

  /** Answers what frees the seat; calling that again changes nothing. Refuses with RefusedError (429). */
  take(accountId: string): () => void {
    const mine = this.byAccount.get(accountId) ?? 0;
    if (mine >= this.limits.perAccount)
      throw full(
        `this account follows events ${mine} times already`,
        'end a stream that is no longer read; DROVER_CONSUMERS_PER_ACCOUNT raises the limit',
      );
    if (this.taken >= this.limits.perProcess)
      throw full(
        'this platform process serves as many consumers as it may',
        'try again later, or raise DROVER_CONSUMERS',
      );
    this.taken++;
    this.byAccount.set(accountId, mine + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.taken--;
      const left = this.byAccount.get(accountId)! - 1;
      if (left === 0) this.byAccount.delete(accountId);
      else this.byAccount.set(accountId, left);
    };
  }
}

const full = (message: string, hint: string): RefusedError =>
  new RefusedError(refusal(429, 'too_many_consumers', message, { hint }));
