import { errorMessage, refusal, type Cancel, type Clock, type Log, type Refusal, type Timers } from '#kernel';
import { permits, type OperatorAuthenticator, type Principal } from '#access';

/** Who knows tokens, and says when an operator's have changed. */
export interface TokenAuthority extends OperatorAuthenticator {
  onChange(listener: (operatorId: string) => void): () => void;
}

export interface TokenWatchDeps {
  readonly authority: TokenAuthority;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly timers: Timers;
  readonly log: Log;
}

interface Watched {
  readonly token: string;
  readonly principal: Principal;
  readonly cuts: Map<(reason: Refusal) => void, readonly string[]>;
  cancel: Cancel;
  again: boolean;
  checking: boolean;
}

/** A revocation shows at once (its event comes by the log) and an expiry on its minute; this catches what came another way. */
const RECHECK_MS = 30_000;

const gone = (message: string): Refusal =>
  refusal(401, 'invalid_token', message, {
    field: 'authorization',
    hint: 'connect again with a valid token and the last cursor',
  });

/** Keeps looking whether the tokens behind open streams are still good; one check a token, however many streams it has. */
export class TokenWatch {
  private readonly watched = new Map<string, Watched>();
  private readonly stopListening: () => void;

  constructor(private readonly deps: TokenWatchDeps) {
    this.stopListening = deps.authority.onChange((operatorId) => {
      for (const one of this.watched.values()) if (one.principal.operatorId === operatorId) this.check(one);
    });
  }

  /** `cut` is called once, when the token no longer opens what was opened with it. Checks at once: it may be gone already. */
  watch(token: string, principal: Principal, permissions: readonly string[], cut: (reason: Refusal) => void): Cancel {
    let one = this.watched.get(token);
    if (one === undefined) {
      one = { token, principal, cuts: new Map(), cancel: () => undefined, again: false, checking: false };
      this.watched.set(token, one);
      this.schedule(one);
    }
    const mine = one;
    mine.cuts.set(cut, permissions);
    this.check(mine);
    return () => {
      mine.cuts.delete(cut);
      if (mine.cuts.size === 0) this.forget(mine);
    };
  }

  stop(): void {
    this.stopListening();
    for (const one of [...this.watched.values()]) this.forget(one);
  }

  private schedule(one: Watched): void {
    const left = (one.principal.expiresAtMs ?? Infinity) - this.deps.clock.wallMs();
    one.cancel = this.deps.timers.after(Math.max(1, Math.min(left, RECHECK_MS)), () => this.check(one));
  }

  private check(one: Watched): void {
    one.again = true;
    if (one.checking) return;
    one.checking = true;
    void this.checkUntilCurrent(one).finally(() => (one.checking = false));
  }

  private async checkUntilCurrent(one: Watched): Promise<void> {
    while (one.again && this.watched.get(one.token) === one) {
      one.again = false;
      try {
        this.judge(one, await this.deps.authority.authenticate(one.token));
      } catch (error) {
        // The store is away: nothing new can be delivered either, and the next look is due soon.
        this.deps.log.warn({ error: errorMessage(error) }, 'consumers: a token could not be checked again');
      }
    }
    if (this.watched.get(one.token) !== one) return;
    one.cancel();
    this.schedule(one);
  }

  private judge(one: Watched, principal: Principal | undefined): void {
    for (const [cut, permissions] of [...one.cuts]) {
      if (principal === undefined) cut(gone('the token has expired or was revoked'));
      else if (permissions.some((wanted) => !permits(principal.permissions, wanted)))
        cut(gone('the token no longer has the permission'));
    }
    if (principal === undefined) this.forget(one);
  }

  private forget(one: Watched): void {
    one.cancel();
    one.cuts.clear();
    if (this.watched.get(one.token) === one) this.watched.delete(one.token);
  }
}
