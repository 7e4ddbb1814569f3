import type { AgentRecord } from '../session/agent-record.js';

export interface Beats {
  readonly beatMs: number;
  readonly leaseMs: number;
  readonly vipBeatMs: number;
  readonly vipLeaseMs: number;
}

/** This many fast beats in a row show that the agent heard of its new rate. */
const FAST_BEATS = 3;

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
};

/** As long as agents get to come back after a restart: their backoff between tries included. */
const REUNION_MS = 30_000;

/**
 * Judges leases at each tick. A tick that comes late says that this process was asleep, not that the agents were: beats may
 * be waiting in the sockets, so all leases are extended by the delay and nothing is judged until the next tick. After a
 * sleep of a lease or more agents may have hung up, which they could not tell; they get as long as after a restart.
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

  /** Records whose lease ran out at this tick. They are marked lost. */
  tick(records: Iterable<AgentRecord>, nowMs: number, beats: Beats): AgentRecord[] {
    const lateMs = nowMs - this.lastTickMs - this.tickMs;
    this.lastTickMs = nowMs;
    if (lateMs > this.toleranceMs) {
      for (const record of records) record.leaseFromMs = this.extended(record, lateMs, nowMs, beats);
      return [];
    }
    const lost: AgentRecord[] = [];
    for (const record of records) {
      if (record.lost || nowMs - record.leaseFromMs <= leaseOf(record, beats)) continue;
      record.lost = true;
      lost.push(record);
    }
    return lost;
  }

  private extended(record: AgentRecord, lateMs: number, nowMs: number, beats: Beats): number {
    const reunion = nowMs + REUNION_MS - leaseOf(record, beats);
    return lateMs < beats.leaseMs ? Math.min(nowMs, record.leaseFromMs + lateMs) : reunion;
  }
}
