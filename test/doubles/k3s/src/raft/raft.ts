import { RaftLog } from './raft-log.js';
import { Replicator } from './replicator.js';
import type { RaftStorage } from './storage.js';
import { notDelivered, retryWithin } from './retry.js';
import { flush, Waiters } from './waiters.js';
import {
  isStranger,
  NoLeaderError,
  type AppendRequest,
  type AppendResponse,
  type Command,
  type Entry,
  type Member,
  type PeerTransport,
  type StateMachine,
  type Txn,
  type TxnResult,
  type VoteRequest,
  type VoteResponse,
} from './types.js';

/**
 * A small Raft: elections with leader stickiness, log replication, one membership change at a time, snapshots, and reads
 * under the leader's quorum lease. It stands in for etcd: writes need a majority of the members.
 */
export class Raft {
  readonly log: RaftLog;
  /** Told when the others say that this one is a member no more. */
  onRemoved: (() => void) | undefined;
  private term: number;
  private votedFor: string | null;
  private role: 'follower' | 'candidate' | 'leader' = 'follower';
  private leaderId: string | undefined;
  private heardLeaderAt = -Infinity;
  private commitIndex = 0;
  private appliedIndex = 0;
  private electionAt = 0;
  private wasMember = false;
  private replicator: Replicator | undefined;
  private readonly waiters = new Waiters();
  private readonly appliedListeners: (() => void)[] = [];

  constructor(
    readonly self: Member,
    private readonly storage: RaftStorage,
    private readonly machine: StateMachine,
    private readonly transport: PeerTransport,
    private readonly electionMs: number,
  ) {
    this.log = new RaftLog(storage);
    this.term = storage.hard.term;
    this.votedFor = storage.hard.votedFor;
    if (this.log.snapshot !== undefined) {
      machine.restore(this.log.snapshot.state);
      this.commitIndex = this.appliedIndex = this.log.snapshot.index;
    }
    this.resetElection();
    setInterval(() => this.tick(), Math.max(10, electionMs / 20));
  }

  /** Makes this the only member of a new cluster. */
  bootstrap(): void {
    if (this.log.lastIndex > 0) return;
    this.log.push({ index: 1, term: 1, command: { kind: 'members', members: [this.self] } });
    this.setTerm(1, null);
    this.electionAt = 0;
  }

  get isLeader(): boolean {
    return this.role === 'leader';
  }
  get leader(): Member | undefined {
    return this.members.find((member) => member.id === this.leaderId);
  }
  get members(): readonly Member[] {
    return this.log.members();
  }
  get isMember(): boolean {
    return this.members.some((member) => member.id === this.self.id);
  }

  /** Writes through the leader; answers after a majority has it and this server has applied it. */
  async propose(txn: Txn): Promise<TxnResult> {
    const { result, index } = await this.throughLeader(
      () => this.proposeHere(txn),
      (leader) => this.transport.propose(leader, txn),
      notDelivered,
    );
    await this.awaitApplied(index);
    return result;
  }

  /** Waits until what is read here is at least as new as when the call came (a linearizable read). */
  async readBarrier(): Promise<void> {
    const index = await this.throughLeader(
      () => this.readIndexHere(),
      (leader) => this.transport.readIndex(leader),
      () => true,
    );
    await this.awaitApplied(index);
  }

  private throughLeader<T>(
    here: () => Promise<T>,
    there: (leader: Member) => Promise<T>,
    again: (cause: unknown) => boolean,
  ): Promise<T> {
    return retryWithin(5_000, again, async () => {
      const leader = this.isLeader ? this.self : await this.awaitLeader();
      return leader.id === this.self.id ? here() : there(leader);
    });
  }

  async proposeHere(command: Command): Promise<{ result: TxnResult; index: number }> {
    if (!this.isLeader) throw new NoLeaderError('etcdserver: not leader');
    const index = this.log.lastIndex + 1;
    const applied = this.waiters.add(index, this.term);
    this.log.push({ index, term: this.term, command });
    this.advanceCommit();
    this.replicator?.kick();
    return { result: (await applied) ?? { ok: true, revision: 0 }, index };
  }

  async readIndexHere(): Promise<number> {
    const deadline = Date.now() + 3_000;
    while (this.isLeader && Date.now() < deadline) {
      if (this.replicator!.hasQuorum() && this.log.termAt(this.commitIndex) === this.term) return this.commitIndex;
      await new Promise((done) => setTimeout(done, 20));
    }
    throw new NoLeaderError('etcdserver: not leader');
  }

  /** Adds a caught-up learner as a voter. */
  async changeMembers(members: readonly Member[]): Promise<void> {
    await this.proposeHere({ kind: 'members', members });
    if (!this.isMember) setTimeout(() => this.becomeFollower(this.term, undefined), this.electionMs / 2);
  }

  addLearner(member: Member): { caughtUp: boolean } {
    if (this.replicator === undefined) throw new NoLeaderError('etcdserver: not leader');
    return { caughtUp: this.replicator.addLearner(member) >= this.commitIndex && this.commitIndex > 0 };
  }

  /** True while an earlier membership change is not committed: the next one has to wait. */
  get changingMembers(): boolean {
    return JSON.stringify(this.log.members(this.commitIndex)) !== JSON.stringify(this.members);
  }

  onVote(request: VoteRequest): VoteResponse {
    if (this.isMember && this.commitIndex > 0 && isStranger(this.members, request.candidate))
      return { term: this.term, granted: false, removed: true };
    // Stickiness: who hears its leader does not help to depose it (a server that comes back with a higher term).
    if (request.term > this.term && (this.isLeader || Date.now() - this.heardLeaderAt < this.electionMs))
      return { term: this.term, granted: false };
    if (request.term > this.term) this.becomeFollower(request.term, undefined);
    const upToDate =
      request.lastTerm > this.log.lastTerm ||
      (request.lastTerm === this.log.lastTerm && request.lastIndex >= this.log.lastIndex);
    const granted =
      request.term === this.term && upToDate && (this.votedFor === null || this.votedFor === request.candidate);
    if (granted) {
      this.setTerm(this.term, request.candidate);
      this.resetElection();
    }
    return { term: this.term, granted };
  }

  onAppend(request: AppendRequest): AppendResponse {
    if (request.term < this.term) return { term: this.term, ok: false, lastIndex: this.log.lastIndex };
    this.becomeFollower(request.term, request.leader);
    this.heardLeaderAt = Date.now();
    this.resetElection();
    const { snapshot } = request;
    if (snapshot !== undefined && snapshot.index > this.commitIndex) {
      this.log.install(snapshot);
      this.machine.restore(snapshot.state);
      this.commitIndex = this.appliedIndex = snapshot.index;
      flush(this.appliedListeners);
    }
    const known = this.log.termAt(request.prevIndex);
    if (known !== request.prevTerm && request.prevIndex > (this.log.snapshot?.index ?? 0))
      return { term: this.term, ok: false, lastIndex: Math.min(this.log.lastIndex, request.prevIndex - 1) };
    this.log.merge(request.entries);
    this.commitTo(Math.min(request.commit, request.prevIndex + request.entries.length));
    return { term: this.term, ok: true, lastIndex: request.prevIndex + request.entries.length };
  }

  private tick(): void {
    if (this.isLeader) {
      if (!this.replicator!.hasQuorum(this.electionMs * 2)) this.becomeFollower(this.term, undefined);
      return;
    }
    if (this.isMember && Date.now() >= this.electionAt) void this.campaign();
    if (!this.isMember && this.wasMember && !this.changingMembers) this.onRemoved?.();
    this.wasMember ||= this.isMember;
  }

  private async campaign(): Promise<void> {
    this.role = 'candidate';
    this.leaderId = undefined;
    this.setTerm(this.term + 1, this.self.id);
    this.resetElection();
    const { term } = this;
    const request = { term, candidate: this.self.id, lastIndex: this.log.lastIndex, lastTerm: this.log.lastTerm };
    const others = this.members.filter((member) => member.id !== this.self.id);
    let granted = 1;
    const needed = Math.floor(this.members.length / 2) + 1;
    const count = (): void => {
      if (granted >= needed && this.role === 'candidate' && this.term === term) this.becomeLeader();
    };
    count();
    await Promise.allSettled(
      others.map(async (peer) => {
        const answer = await this.transport.vote(peer, request);
        if (answer.removed === true) this.onRemoved?.();
        if (answer.term > this.term) this.becomeFollower(answer.term, undefined);
        if (answer.granted) granted++;
        count();
      }),
    );
  }

  private becomeLeader(): void {
    this.role = 'leader';
    this.leaderId = this.self.id;
    this.replicator = new Replicator(this.self, this.log, this.transport, this.electionMs, {
      term: this.term,
      commit: () => this.commitIndex,
      progressed: () => this.advanceCommit(),
      deposed: (term) => this.becomeFollower(term, undefined),
    });
    this.log.push({ index: this.log.lastIndex + 1, term: this.term, command: { kind: 'noop' } });
    this.advanceCommit();
    this.replicator.kick();
  }

  private becomeFollower(term: number, leader: string | undefined): void {
    if (term > this.term) this.setTerm(term, null);
    this.role = 'follower';
    this.leaderId = leader ?? (leader === undefined && this.leaderId === this.self.id ? undefined : this.leaderId);
    this.replicator?.stop();
    this.replicator = undefined;
  }

  private advanceCommit(): void {
    if (this.replicator === undefined) return;
    const index = this.replicator.majorityIndex();
    if (index > this.commitIndex && this.log.termAt(index) === this.term) {
      this.commitTo(index);
      this.replicator?.kick();
    }
  }

  private commitTo(index: number): void {
    if (index <= this.commitIndex) return;
    this.commitIndex = index;
    while (this.appliedIndex < this.commitIndex) this.applyNext();
    this.log.compact(this.appliedIndex, () => this.machine.serialize());
    flush(this.appliedListeners);
  }

  private applyNext(): void {
    const entry: Entry = this.log.at(this.appliedIndex + 1)!;
    const result = entry.command.kind === 'txn' ? this.machine.apply(entry.command) : undefined;
    this.appliedIndex = entry.index;
    this.waiters.settle(entry, result);
  }

  private async awaitLeader(): Promise<Member> {
    const deadline = Date.now() + 5_000;
    while (Date.now() < deadline) {
      const { leader } = this;
      if (leader !== undefined && (this.isLeader || Date.now() - this.heardLeaderAt < this.electionMs * 2))
        return leader;
      await new Promise((done) => setTimeout(done, 25));
    }
    throw new NoLeaderError('etcdserver: no leader');
  }

  private async awaitApplied(index: number): Promise<void> {
    const deadline = Date.now() + 5_000;
    while (this.appliedIndex < index) {
      if (Date.now() > deadline) throw new NoLeaderError('etcdserver: request timed out');
      await new Promise<void>((done) => {
        const timeout = setTimeout(done, 200);
        this.appliedListeners.push(() => (clearTimeout(timeout), done()));
      });
    }
  }

  private setTerm(term: number, votedFor: string | null): void {
    this.term = term;
    this.votedFor = votedFor;
    this.storage.saveHard({ term, votedFor });
  }

  private resetElection(): void {
    this.electionAt = Date.now() + this.electionMs * (1 + Math.random());
  }
}
