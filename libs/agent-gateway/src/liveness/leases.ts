import type { AgentRecord } from '../session/agent-record.js';

export interface Beats {
  readonly beatMs: number;
  readonly leaseMs: number;
  readonly vipBeatMs: number;
  readonly vipLeaseMs: number;
}

/** This many fast beats show that the agent heard of its new rate and keeps it. */
export const FAST_BEATS = 5;

/** Beats that waited in a socket while this process slept come all at once; as many beats of their own show a live stream. */
const STEADY_BEATS = 3;

/**
 * For how long a VIP candidate may be silent before others are asked whether it is still there. Fast needs both: the platform
 * asked for fast beats, and the agent sends them. To be suspected costs a question to witnesses; to be lost is an event.
 */
const suspicionOf = (record: AgentRecord, beats: Beats): number =>
  record.vipCandidate && record.fastBeats >= FAST_BEATS ? beats.vipLeaseMs : beats.leaseMs;

/** How often the agent beats now. */
export const beatOf = (record: AgentRecord, beats: Beats): number =>
  suspicionOf(record, beats) === beats.vipLeaseMs ? beats.vipBeatMs : beats.beatMs;

export const beat = (record: AgentRecord, nowMs: number, beats: Beats): void => {
  const gap = record.lastBeatMs === undefined ? Infinity : nowMs - record.lastBeatMs;
  const fast = gap <= (beats.vipBeatMs + beats.vipLeaseMs) / 2;
  const own = gap >= beats.vipBeatMs / 4 ? 1 : 0;
  if (record.vipCandidate) record.fastBeats = fast ? record.fastBeats + own : Math.min(record.fastBeats, FAST_BEATS);
  else record.fastBeats = 0;
  record.steadyBeats += own;
  record.lastBeatMs = nowMs;
  record.suspectFromMs = nowMs;
  // Time to come back that was given after a sleep or a start is used up by a stream that stays, not by an old one's last words.
  record.leaseFromMs = record.steadyBeats >= STEADY_BEATS ? nowMs : Math.max(nowMs, record.leaseFromMs);
  record.doubted = false;
};

/** As long as agents get to come back after a restart: their backoff between tries included. */
const REUNION_MS = 30_000;

/** After a sleep of a lease or more, for as long VIP candidates are not even suspected. */
const AWAKE_MS = 5_000;

export interface Judgement {
  /** VIP candidates that were silent for the short lease at this tick: worth asking witnesses. They are marked so. */
  readonly suspected: readonly AgentRecord[];
  /** Records whose lease ran out at this tick. They are marked lost. */
  readonly lost: readonly AgentRecord[];
  /** Records that were as good as lost, but too many at once to believe it. They got one more lease, of the slow kind. */
  readonly doubted: readonly AgentRecord[];
}

const NOTHING: Judgement = { suspected: [], lost: [], doubted: [] };

/** VIP candidates that were doubted together, how many are judged like them, and how they stood before. */
interface Doubt {
  readonly alike: number;
  readonly before: ReadonlyMap<AgentRecord, Pick<AgentRecord, 'fastBeats' | 'suspectFromMs' | 'leaseFromMs'>>;
}

/**
 * Judges leases at each tick. A tick that comes late says that this process was asleep, not that the agents were: beats may
 * be waiting in the sockets, so all leases are extended by the delay and nothing is judged until the next tick. That is
 * judged even if it is late too, because the sockets were read in between: a process that is always late must not take
 * a dead holder for a living one all the time. After a sleep of a lease or more agents may have hung up, which they could not tell; they get as long as after a restart.
 * When more than half of the agents that are judged alike (VIP candidates by their short lease, all by the long one) fall
 * silent together, the likelier fault is this machine's or its network's: each gets one more slow lease before it is judged.
 * Of VIP candidates that many would be no majority anyway, so nothing is lost by waiting. As soon as so many of them are heard
 * again that the rest are few, those were not this machine's fault: they are judged at once, by the length they had before.
 */
export class LeaseJudge {
  private lastTickMs: number;
  private late = false;
  private doubts: Doubt | undefined;

  constructor(
    readonly tickMs: number,
    private readonly toleranceMs: number,
    nowMs: number,
  ) {
    this.lastTickMs = nowMs;
  }

  tick(records: Iterable<AgentRecord>, nowMs: number, beats: Beats): Judgement {
    const lateMs = nowMs - this.lastTickMs - this.tickMs;
    this.lastTickMs = nowMs;
    const wasLate = this.late;
    this.late = lateMs > this.toleranceMs;
    if (this.late) {
      this.doubts = undefined;
      for (const record of records) extend(record, lateMs, nowMs, beats);
      if (!wasLate || lateMs >= beats.leaseMs) return NOTHING;
    }
    this.reconsider();
    const standing = [...records].filter((record) => !record.lost);
    const silent = standing.filter((record) => isSuspect(record, nowMs, beats) || isLapsed(record, nowMs, beats));
    if (silent.length === 0) return NOTHING;
    const fast = standing.filter((record) => suspicionOf(record, beats) === beats.vipLeaseMs);
    const together = mass(fast, (record) => nowMs - record.suspectFromMs > beats.vipLeaseMs - beats.vipBeatMs);
    const doubted = new Set([
      ...together,
      ...mass(standing, (record) => nowMs - record.leaseFromMs > beats.leaseMs - beats.beatMs),
    ]);
    if (together.length > 0)
      this.doubts = { alike: fast.length, before: new Map(together.map((r) => [r, standingOf(r)])) };
    for (const record of doubted) doubt(record, nowMs);
    const suspected = silent.filter((record) => isSuspect(record, nowMs, beats));
    for (const record of suspected) record.suspected = true;
    const lost = silent.filter((record) => isLapsed(record, nowMs, beats));
    for (const record of lost) record.lost = true;
    return { suspected, lost, doubted: [...doubted] };
  }

  private reconsider(): void {
    if (this.doubts === undefined) return;
    const { alike, before } = this.doubts;
    const silent = [...before].filter(([record]) => record.doubted && !record.lost);
    if (silent.length > 0 && silent.length * 2 > alike) return;
    for (const [record, stood] of silent) Object.assign(record, stood);
    this.doubts = undefined;
  }
}

const standingOf = ({ fastBeats, suspectFromMs, leaseFromMs }: AgentRecord) => ({
  fastBeats,
  suspectFromMs,
  leaseFromMs,
});

const isSuspect = (record: AgentRecord, nowMs: number, beats: Beats): boolean =>
  record.vipCandidate && !record.suspected && nowMs - record.suspectFromMs > suspicionOf(record, beats);

const isLapsed = (record: AgentRecord, nowMs: number, beats: Beats): boolean =>
  nowMs - record.leaseFromMs > beats.leaseMs;

const extend = (record: AgentRecord, lateMs: number, nowMs: number, beats: Beats): void => {
  if (lateMs < beats.leaseMs) {
    // Many delays together extend the short lease by no more than its length, or by the longest of them.
    const most = (record.lastBeatMs ?? record.suspectFromMs) + Math.max(lateMs, beats.vipLeaseMs);
    record.suspectFromMs = Math.max(record.suspectFromMs, Math.min(nowMs, record.suspectFromMs + lateMs, most));
    // Time to come back that still runs is not shortened by that.
    record.leaseFromMs = Math.max(record.leaseFromMs, Math.min(nowMs, record.leaseFromMs + lateMs));
    return;
  }
  record.fastBeats = 0;
  record.steadyBeats = 0;
  record.suspectFromMs = nowMs + AWAKE_MS - beats.leaseMs;
  record.leaseFromMs = nowMs + REUNION_MS - beats.leaseMs;
};

/** Within a beat of losing its lease: those that fell silent together do not lapse at the same tick. */
const mass = (alike: readonly AgentRecord[], isSilent: (record: AgentRecord) => boolean): readonly AgentRecord[] => {
  const silent = alike.filter(isSilent);
  return silent.length >= 2 && silent.length * 2 > alike.length ? silent.filter((record) => !record.doubted) : [];
};

const doubt = (record: AgentRecord, nowMs: number): void => {
  record.doubted = true;
  record.fastBeats = 0;
  record.suspectFromMs = nowMs;
  record.leaseFromMs = nowMs;
};
