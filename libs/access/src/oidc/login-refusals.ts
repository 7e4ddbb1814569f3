import { deterministicUuid, type AccountId, type Clock, type Ids, type Log } from '#kernel';
import type { Transactor } from '#processing';
import { DEFAULT_ACCOUNT_ID } from '../application/bootstrap.js';
import { loginRefusals } from '../domain/login/refusals.js';

const WINDOW_MS = 60_000;
/**
 * Events of this kind that one process writes a minute: anybody can be refused as often as they like, and without having begun a login
 * more cheaply still, which must not hide the others.
 */
const PER_WINDOW = { begun: 20, never: 1 };
const HOUR_MS = 3_600_000;

/** A stream is read as a whole to write one more event, and anybody can make this one longer: each hour has its own. */
const streamAt = (accountId: AccountId, nowMs: number): string =>
  `login-${deterministicUuid('login-refusals', accountId, Math.floor(nowMs / HOUR_MS))}`;

interface Parts {
  readonly client: { readonly issuer: string };
  readonly transactor: Transactor;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly ids: Ids;
  readonly log: Log;
}

interface Refused {
  readonly code: string;
  readonly subject: string | null;
  readonly address: string;
  /** The account that the login was for; the platform's first one where nobody knows. */
  readonly accountId: AccountId | undefined;
  /** Whether it was a login that this platform began. */
  readonly begun: boolean;
}

/** Writes down who was not let in, and not more often than a log can bear. */
export class LoginRefusals {
  private window = { untilMs: 0, begun: 0, never: 0 };
  private notTold = 0;

  constructor(private readonly parts: Parts) {}

  async tell({ code, subject, address, accountId = DEFAULT_ACCOUNT_ID, begun }: Refused): Promise<void> {
    const { client, transactor, clock, ids, log } = this.parts;
    const nowMs = clock.wallMs();
    if (nowMs >= this.window.untilMs) this.window = { untilMs: nowMs + WINDOW_MS, begun: 0, never: 0 };
    const kind = begun ? 'begun' : 'never';
    if (this.window[kind] >= PER_WINDOW[kind]) return void this.notTold++;
    this.window[kind]++;
    log.warn({ code, address }, 'a login was refused');
    const not_told = this.notTold;
    this.notTold = 0;
    const id = ids.uuid();
    const data = { method: 'oidc', issuer: client.issuer, code, subject, address, not_told } as const;
    await transactor.transact(streamAt(accountId, nowMs), loginRefusals, data, {
      ...{ commandId: id, correlationId: id, causationId: id, accountId, nowMs },
      actor: { kind: 'system', id: 'platform' },
    });
  }
}
