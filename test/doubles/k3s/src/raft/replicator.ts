import type { RaftLog } from './raft-log.js';
import type { AppendResponse, Member, PeerTransport } from './types.js';

interface Progress {
  readonly peer: Member;
  next: number;
  match: number;
  /** When the last answered request was sent: what the leader's lease counts from. */
  ackedAt: number;
  busy: boolean;
  again: boolean;
}

/** A leader's view of one term: sends the log to every peer, one request in flight each. */
export class Replicator {
  private readonly progress = new Map<string, Progress>();
  private readonly learners = new Map<string, Member>();
  private readonly startedAt = Date.now();
  private readonly timer: NodeJS.Timeout;
  private stopped = false;

  constructor(
    private readonly self: Member,
    private readonly log: RaftLog,
    private readonly transport: PeerTransport,
    private readonly electionMs: number,
    private readonly leader: {
      readonly term: number;
      commit(): number;
      progressed(): void;
      deposed(term: number): void;
    },
  ) {
    this.timer = setInterval(() => this.kick(), electionMs / 6);
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.timer);
  }

  addLearner(member: Member): number {
    this.learners.set(member.id, member);
    this.kick();
    return this.progress.get(member.id)?.match ?? 0;
  }

  /** True when a majority answered a request sent within the lease. */
  hasQuorum(withinMs = this.electionMs * 0.8): boolean {
    const voters = this.log.members();
    const since = Date.now() - withinMs;
    if (this.startedAt > since && withinMs > this.electionMs) return true; // a new leader gets time to be answered
    const fresh = voters.filter(
      (m) => m.id === this.self.id || (this.progress.get(m.id)?.ackedAt ?? -Infinity) >= since,
    );
    return fresh.length > voters.length / 2;
  }

  majorityIndex(): number {
    const matches = this.log
      .members()
      .map((m) => (m.id === this.self.id ? this.log.lastIndex : (this.progress.get(m.id)?.match ?? 0)))
      .sort((a, b) => b - a);
    return matches[Math.floor(matches.length / 2)] ?? 0;
  }

  kick(): void {
    if (this.stopped) return;
    const voters = this.log.members().filter((m) => m.id !== this.self.id);
    for (const voter of voters) this.learners.delete(voter.id);
    const peers = [...voters, ...this.learners.values()];
    for (const id of this.progress.keys()) if (!peers.some((peer) => peer.id === id)) this.progress.delete(id);
    for (const peer of peers) {
      const known = this.progress.get(peer.id) ?? this.track(peer);
      if (known.busy) known.again = true;
      else void this.send(known);
    }
  }

  private track(peer: Member): Progress {
    const fresh = { peer, next: this.log.lastIndex + 1, match: 0, ackedAt: -Infinity, busy: false, again: false };
    this.progress.set(peer.id, fresh);
    return fresh;
  }

  private async send(to: Progress): Promise<void> {
    to.busy = true;
    to.again = false;
    const sentAt = Date.now();
    const answer = await this.exchange(to);
    to.busy = false;
    if (this.stopped || answer === undefined) return;
    if (answer.term > this.leader.term) return this.leader.deposed(answer.term);
    to.ackedAt = sentAt;
    if (answer.ok) {
      to.match = Math.max(to.match, answer.lastIndex);
      to.next = to.match + 1;
      this.leader.progressed();
    } else to.next = Math.max(1, Math.min(to.next - 1, answer.lastIndex + 1));
    if (to.again || to.next <= this.log.lastIndex) void this.send(to);
  }

  private async exchange(to: Progress): Promise<AppendResponse | undefined> {
    const snapshot = to.next < this.log.firstIndex ? this.log.snapshot : undefined;
    const prevIndex = snapshot?.index ?? to.next - 1;
    const request = {
      term: this.leader.term,
      leader: this.self.id,
      prevIndex,
      prevTerm: snapshot?.term ?? this.log.termAt(prevIndex) ?? 0,
      entries: this.log.from(prevIndex + 1, 200),
      commit: this.leader.commit(),
      ...(snapshot === undefined ? {} : { snapshot }),
    };
    // A peer that is away is the normal case here: its silence is what hasQuorum sees.
    return this.transport.append(to.peer, request).catch(() => undefined);
  }
}
