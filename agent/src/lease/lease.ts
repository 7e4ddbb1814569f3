/**
 * Who may hold a VIP, as one node sees it: a voter's promises and grants, and the holder's lease. Pure: the caller feeds
 * messages and ticks with its own clock (milliseconds, never stepping back) and carries out the effects in order.
 *
 * Rules that make two holders at once impossible:
 *  - a lease counts from when the confirmed beat was SENT, a grant from when it was received, so every grant outlives the
 *    lease it stands for;
 *  - a voter confirms a beat only if its epoch is at least what the voter promised, and no grant to another holder is left;
 *  - a voter's promise is on disk before its confirmation counts, the holder's own (sent to itself) included;
 *  - after a gap in its own tick a holder drops, and holds again only on a beat sent after the gap.
 */
export interface LeaseConfig {
  readonly vipId: string;
  readonly self: string;
  readonly epoch: number;
  /** Whether this node is the holder of `epoch`. */
  readonly holder: boolean;
  /** Peer ids of all voters, this node included. */
  readonly voters: readonly string[];
  readonly platformVotes: boolean;
  readonly beatMs: number;
  readonly ttlMs: number;
}

export const PLATFORM = 'platform';

export interface Grant {
  readonly epoch: number;
  readonly holder: string;
  readonly until: number;
}

interface SentBeat {
  readonly seq: number;
  readonly sentAt: number;
  readonly confirmedBy: ReadonlySet<string>;
}

interface Holding {
  readonly epoch: number;
  readonly beats: readonly SentBeat[];
  /** The lease is valid while now < validUntil; -Infinity before the first majority. */
  readonly validUntil: number;
  readonly lastTick: number;
  readonly nextBeatAt: number;
  /** Until the first majority, but not for ever, beats are sent more often: the VIP is away while one that was lost is waited for. */
  readonly eagerUntil: number;
  /** Given up in favour of a higher epoch: no more beats, the address stays until the lease runs out or is told to go. */
  readonly yielded: boolean;
  readonly on: boolean;
}

export interface LeaseState {
  readonly config: LeaseConfig | undefined;
  readonly promised: number;
  readonly grant: Grant | undefined;
  readonly holderHeardAt: number | undefined;
  /** A beat that had to wait for another holder's grant. */
  readonly waiting:
    { readonly from: string; readonly epoch: number; readonly seq: number; readonly at: number } | undefined;
  readonly holding: Holding | undefined;
  /** Never reused, not even by the next life of this process: an old confirmation must not match a new beat. */
  readonly nextSeq: number;
  readonly rules: LeaseRules;
}

export interface LeaseRules {
  /** Until when a beat that a majority confirmed lets its sender hold. */
  leaseEnd(sentAt: number, ttlMs: number, confirmedAt: number): number;
}

export const safeRules: LeaseRules = { leaseEnd: (sentAt, ttlMs) => sentAt + ttlMs };

export type LeaseMessage =
  | { readonly kind: 'beat'; readonly epoch: number; readonly seq: number }
  | { readonly kind: 'confirm'; readonly epoch: number; readonly seq: number }
  | { readonly kind: 'yield'; readonly epoch: number };

export type LeaseInput =
  | { readonly kind: 'tick'; readonly now: number }
  | { readonly kind: 'configure'; readonly now: number; readonly config: LeaseConfig | undefined }
  | { readonly kind: 'message'; readonly now: number; readonly from: string; readonly message: LeaseMessage }
  | {
      readonly kind: 'vote_request';
      readonly now: number;
      readonly epoch: number;
      readonly question?: string | undefined;
    };

export type LeaseEffect =
  | { readonly kind: 'send'; readonly to: string; readonly message: LeaseMessage }
  /** Must be on disk before the effects after it are carried out. */
  | { readonly kind: 'persist'; readonly promised: number; readonly grantEpoch: number }
  | { readonly kind: 'hold'; readonly epoch: number; readonly until: number }
  | { readonly kind: 'extend'; readonly epoch: number; readonly until: number }
  | { readonly kind: 'drop'; readonly epoch: number; readonly reason: string }
  | {
      readonly kind: 'promise';
      readonly epoch: number;
      readonly granted: boolean;
      readonly outstandingMs: number;
      readonly holderHeardMsAgo: number;
      readonly promisedEpoch: number;
      /** As it was asked. */
      readonly question?: string | undefined;
    };

export interface LeaseStep {
  readonly state: LeaseState;
  readonly effects: readonly LeaseEffect[];
}

/**
 * What a process starts with. What it granted in its former life is known by epoch only, so that grant is taken to run
 * for a whole TTL from now. `seqBase` must be random.
 */
export const initialLease = (
  stored: { readonly promised: number; readonly grantEpoch: number },
  now: number,
  ttlMs: number,
  seqBase: number,
  rules: LeaseRules = safeRules,
): LeaseState => ({
  config: undefined,
  promised: stored.promised,
  grant: stored.grantEpoch > 0 ? { epoch: stored.grantEpoch, holder: '', until: now + ttlMs } : undefined,
  holderHeardAt: undefined,
  waiting: undefined,
  holding: undefined,
  nextSeq: seqBase,
  rules,
});

export const majority = (config: LeaseConfig): number =>
  Math.floor((config.voters.length + (config.platformVotes ? 1 : 0)) / 2) + 1;

export const isHeld = (state: LeaseState, now: number): boolean =>
  state.holding !== undefined && state.holding.on && now < state.holding.validUntil;

/** When `tick` must be called at the latest; undefined when nothing is under way. */
export const nextWake = (state: LeaseState): number | undefined => {
  const { holding, waiting, grant } = state;
  const beat = holding === undefined || holding.yielded ? Infinity : holding.nextBeatAt;
  const end = holding?.on === true ? holding.validUntil : Infinity;
  const answer = waiting === undefined || grant === undefined ? Infinity : grant.until;
  const at = Math.min(beat, end, answer);
  return at === Infinity ? undefined : at;
};

export type { Holding, SentBeat };
