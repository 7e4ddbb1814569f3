import type { AgentRecord } from '../session/agent-record.js';

export interface Beats {
  readonly beatMs: number;
  readonly leaseMs: number;
  readonly vipBeatMs: number;
  readonly vipLeaseMs: number;
}

/**
 * This many fast beats show that the agent heard of its new rate and keeps it: 4 s at 200 ms. Right after a stream is up
 * agent and platform have much to do at once, and a beat may be late for no fault of the node.
 */
export const FAST_BEATS = 20;

/** Fast judgement needs both: the platform asked for fast beats, and the agent sends them. */
export const leaseOf = (record: AgentRecord, beats: Beats): number =>
  record.vipCandidate && record.fastBeats >= FAST_BEATS ? beats.vipLeaseMs : beats.leaseMs;

export const beat = (record: AgentRecord, nowMs: number, beats: Beats): void => {
  const gap = record.lastBeatMs === undefined ? Infinity : nowMs - record.lastBeatMs;
  const fast = gap <= (beats.vipBeatMs + beats.vipLeaseMs) / 2;
  if (record.vipCandidate) record.fastBeats = fast ? record.fastBeats + 1 : Math.min(record.fastBeats, FAST_BEATS);
  else record.fastBeats = 0;
  record.lastBeatMs = nowMs;
  record.leaseFromMs = nowMs;
  record.doubted = false;
};

/** As long as agents get to come back after a restart: their backoff between tries included. */
const REUNION_MS = 30_000;

export interface Judgement {
  /** Records whose lease ran out at this tick. They are marked lost. */
  readonly lost: readonly AgentRecord[];
  /** Records that were as good as lost, but too many at once to believe it. They got one more lease, of the slow kind. */
  readonly doubted: readonly AgentRecord[];
}

const NOTHING: Judgement = { lost: [], doubted: [] };

/**
 * Judges leases at each tick. A tick that comes late says that this process was asleep, not that the agents were: beats may
 * be waiting in the sockets, so all leases are extended by the delay and nothing is judged until the next tick. After a
 * sleep of a lease or more agents may have hung up, which they could not tell; they get as long as after a restart.
 * When more than half of the agents that are judged alike (VIP candidates, others) fall silent together, the likelier
 * fault is this machine's or its network's: each gets one more slow lease before it counts as lost. Of VIP candidates that
 * many would be no majority anyway, so nothing is lost by waiting.
 */
export class LeaseJudge {
  private lastTickMs: number;

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
    if (lateMs > this.toleranceMs) {
      for (const record of records) record.leaseFromMs = this.extended(record, lateMs, nowMs, beats);
      return NOTHING;
    }
    const standing = [...records].filter((record) => !record.lost);
    const lapsed = standing.filter((record) => nowMs - record.leaseFromMs > leaseOf(record, beats));
    if (lapsed.length === 0) return NOTHING;
    const doubted = [...new Set([beats.vipLeaseMs, beats.leaseMs])].flatMap((lease) => {
      const alike = standing.filter((record) => leaseOf(record, beats) === lease);
      const silent = alike.filter((record) => isSilent(record, nowMs, beats));
      return isMass(silent.length, alike.length) ? silent.filter((record) => !record.doubted) : [];
    });
    for (const record of doubted) doubt(record, nowMs);
    const lost = lapsed.filter((record) => !doubted.includes(record));
    for (const record of lost) record.lost = true;
    return { lost, doubted };
  }

  private extended(record: AgentRecord, lateMs: number, nowMs: number, beats: Beats): number {
    const reunion = nowMs + REUNION_MS - leaseOf(record, beats);
    return lateMs < beats.leaseMs ? Math.min(nowMs, record.leaseFromMs + lateMs) : reunion;
  }
}

/** Within a beat of losing its lease: those that fell silent together do not lapse at the same tick. */
const isSilent = (record: AgentRecord, nowMs: number, beats: Beats): boolean => {
  const lease = leaseOf(record, beats);
  const beatMs = lease === beats.vipLeaseMs ? beats.vipBeatMs : beats.beatMs;
  return nowMs - record.leaseFromMs > lease - beatMs;
};

const isMass = (silent: number, standing: number): boolean => silent >= 2 && silent * 2 > standing;

const doubt = (record: AgentRecord, nowMs: number): void => {
  record.doubted = true;
  record.fastBeats = 0;
  record.leaseFromMs = nowMs;
};
