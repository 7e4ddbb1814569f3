import { errorMessage, type Cancel, type Clock, type Log, type Timers } from '#kernel';
import type { agentV1 } from '#proto';
import type { CompiledState } from '../desired/compiled.js';
import type { Plan } from '../desired/plan.js';
import { beat, beatOf, LeaseJudge, type Beats } from '../liveness/leases.js';
import { Settling } from '../liveness/settling.js';
import type { AgentCensus, AgentIdentity, AgentLiveness, AgentObserver, EnrollmentHandler } from '../ports.js';
import { admit } from './admission.js';
import { AgentRecord } from './agent-record.js';
import { hear } from './hear.js';
import { Session, type SessionHost } from './session.js';
import { encode, type AgentStream, type Encoded, type Outgoing, type Peer } from './stream.js';

export interface HubDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly timers: Timers;
  readonly log: Log;
  readonly storeEpoch: string;
  readonly beats: Beats;
  readonly authorize: EnrollmentHandler['authorize'];
  /** What an agent should have; undefined when that cannot be said now. */
  readonly compile: (instanceId: string) => { readonly wanted: CompiledState; readonly generation: bigint } | undefined;
  readonly pushed?: (instanceId: string, sections: readonly string[], generation: bigint) => void;
  readonly onStreamEnded: (instanceId: string) => void;
  readonly onTunnelFailed: (instanceId: string, message: agentV1.TunnelFailed) => void;
}

const HELLO_DEADLINE_MS = 5_000;
/** Kinds of nodes that get the same bytes are few; what only one node gets must not be kept for the others. */
const MAX_ENCODINGS = 64;
/** A challenged stream gets its beat and half of one for the way. */
const CHALLENGE_BEATS = 1.5;

/** All agents' streams: who is live, what was sent, whose lease runs out. One thread, no locks. */
export class SessionHub implements SessionHost {
  readonly records = new Map<string, AgentRecord>();
  readonly observers: AgentObserver[] = [];
  readonly helloDeadlineMs = HELLO_DEADLINE_MS;
  readonly storeEpoch: string;
  readonly settling: Settling;
  private readonly judge: LeaseJudge;
  private readonly vipCandidates = new Set<string>();
  private readonly encodings = new Map<string, Encoded>();
  /** When the events behind the update that runs now were folded. */
  private changedAtMs = 0;
  private cancelTick: Cancel | undefined;

  constructor(readonly deps: HubDeps) {
    this.storeEpoch = deps.storeEpoch;
    // A crash is noticed half of this late; a look at everybody costs less than a millisecond.
    const tickMs = Math.max(20, Math.floor(deps.beats.vipBeatMs / 10));
    this.judge = new LeaseJudge(tickMs, Math.max(80, tickMs), deps.clock.monotonicMs());
    this.settling = new Settling(deps.timers.after.bind(deps.timers), (event) => this.tellSettled(event));
  }

  start(): void {
    this.cancelTick = this.deps.timers.every(this.judge.tickMs, () => this.tick());
  }

  stop(): void {
    this.cancelTick?.();
    this.settling.stop();
    for (const { session, challenger } of this.records.values()) {
      for (const s of [session, challenger]) s?.bye('platform_stopping', 'the platform stops; connect again');
    }
  }

  /** Another process has the agents now: what was known of them here is of no use any more. */
  forgetAgents(): void {
    this.records.clear();
  }

  /** Agents that were online before this platform started: they get a window to come back before they count as lost. */
  expect(agents: Iterable<AgentIdentity>, windowMs: number): void {
    const from = this.deps.clock.monotonicMs() + windowMs - this.deps.beats.leaseMs;
    for (const agent of agents) {
      if (!this.records.has(agent.instanceId)) this.records.set(agent.instanceId, this.newRecord(agent, from));
    }
  }

  accept(peer: Peer, stream: AgentStream): Session {
    return new Session(peer, stream, this);
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.deps.timers.after(delayMs, run);
  }

  opened(session: Session): void {
    this.admitWhenAuthorized(session).catch((error: unknown) => {
      this.deps.log.error({ instanceId: session.peer.instanceId, error: errorMessage(error) }, 'admission failed');
      session.bye('unavailable', 'the platform cannot check the certificate now');
    });
  }

  heard(session: Session, message: NonNullable<agentV1.SyncRequest['message']>): void {
    const record = this.records.get(session.peer.instanceId);
    if (record !== undefined) hear(this, record, session, message);
  }

  ended(session: Session): void {
    const record = this.records.get(session.peer.instanceId);
    if (record === undefined) return;
    if (record.challenger === session) record.challenger = undefined;
    if (record.session !== session) return;
    record.session = undefined;
    this.deps.onStreamEnded(record.agent.instanceId);
    record.notify((o, agent) => o.onDisconnected?.(agent));
    const next = record.challenger;
    if (next !== undefined) this.install(record, next);
  }

  /** Compiles and sends what changed for one agent, unless something is still on its way to it. */
  wantsUpdate(session: Session): void {
    const compiled = session.ready() ? this.deps.compile(session.peer.instanceId) : undefined;
    if (compiled === undefined) return;
    const changed = session.update(compiled.wanted, compiled.generation);
    this.deps.pushed?.(session.peer.instanceId, changed, compiled.generation);
    const since = this.changedAtMs === 0 ? this.deps.clock.monotonicMs() : this.changedAtMs;
    for (const section of changed) this.settling.sent(section, compiled.generation, session.peer.instanceId, since);
  }

  /** As wantsUpdate, for an agent named by an event that was folded at `changedAtMs`. */
  refresh(instanceId: string, changedAtMs: number): void {
    const session = this.records.get(instanceId)?.session;
    if (session === undefined) return;
    this.changedAtMs = changedAtMs;
    this.wantsUpdate(session);
    this.changedAtMs = 0;
  }

  /** Equal keys are encoded once; forget() ends the run in which that holds. */
  encode(messages: Plan['messages']): Outgoing[] {
    return messages.map(({ message, key }) => {
      if (key === undefined) return message;
      let encoded = this.encodings.get(key);
      if (encoded !== undefined) return encoded;
      this.encodings.set(key, (encoded = encode(message)));
      if (this.encodings.size > MAX_ENCODINGS) this.encodings.delete(this.encodings.keys().next().value!);
      return encoded;
    });
  }

  forget(): void {
    this.encodings.clear();
  }

  /** Looks again whether an agent may still be one. If not, its stream ends and nobody waits for its beats any more. */
  async recheck(instanceId: string): Promise<void> {
    const record = this.records.get(instanceId);
    if (record === undefined) return;
    const peer = record.session?.peer ?? record.agent;
    const { certificateSerial } = peer;
    const answer = await this.deps.authorize({ instanceId, certificateSerial });
    if (answer.kind === 'ok') return;
    const { session, challenger } = record;
    for (const s of [challenger, session]) {
      if (s?.peer.certificateSerial === certificateSerial) s.bye(answer.code, answer.message, answer.wipe);
    }
    if (record.session === undefined) this.records.delete(instanceId);
  }

  liveness(instanceId: string): AgentLiveness {
    const record = this.records.get(instanceId);
    if (record === undefined)
      return { connected: false, silentMs: Infinity, suspected: false, lost: false, applied: new Map() };
    const silentMs = record.lastBeatMs === undefined ? Infinity : this.deps.clock.monotonicMs() - record.lastBeatMs;
    const { session, suspected, lost, applied } = record;
    const sent = session?.sentGenerations();
    return { connected: session !== undefined, silentMs, suspected, lost, applied, problems: record.problems(), sent };
  }

  census(): AgentCensus {
    const counts = { connected: 0, away: 0, suspected: 0, lost: 0 };
    for (const { session, suspected, lost } of this.records.values()) {
      const state = lost ? 'lost' : suspected ? 'suspected' : session === undefined ? 'away' : 'connected';
      counts[state]++;
    }
    return counts;
  }

  setVipCandidate(instanceId: string, isCandidate: boolean): void {
    if (isCandidate) this.vipCandidates.add(instanceId);
    else this.vipCandidates.delete(instanceId);
    const record = this.records.get(instanceId);
    if (record === undefined || record.vipCandidate === isCandidate) return;
    record.vipCandidate = isCandidate;
    record.suspected = false;
    record.fastBeats = 0;
    record.session?.priority(this.welcomeOf(record));
  }

  private newRecord(agent: AgentIdentity, leaseFromMs: number): AgentRecord {
    const record = new AgentRecord(agent, leaseFromMs, this.observers, this.deps.log);
    record.vipCandidate = this.vipCandidates.has(agent.instanceId);
    return record;
  }

  private async admitWhenAuthorized(session: Session): Promise<void> {
    const answer = await this.deps.authorize(session.peer);
    if (session.state !== 'waiting') return;
    if (answer.kind === 'refused') return session.bye(answer.code, answer.message, answer.wipe);
    const { instanceId } = session.peer;
    const record = this.records.get(instanceId) ?? this.newRecord(answer.agent, this.deps.clock.monotonicMs());
    this.records.set(instanceId, record);
    if (!record.news.take(this.deps.clock.monotonicMs()))
      return session.bye('too_many_streams', 'streams of this identity come too often; wait');
    const admission = admit(session, record.session, record.challenger, record.quarantinedSerial);
    switch (admission.kind) {
      case 'refuse':
        return session.bye(admission.code, admission.message);
      case 'challenge':
        return this.challenge(record, session);
      case 'supersede':
      case 'install':
        record.challenger = session;
        if (record.session === undefined) return this.install(record, session);
        return record.session.bye('superseded', 'a later start of this agent has connected');
    }
  }

  private challenge(record: AgentRecord, session: Session): void {
    const old = record.session!;
    record.challenger?.bye('superseded', 'a later stream of this agent has connected');
    record.challenger = session;
    const since = this.deps.clock.monotonicMs();
    const beatMs = beatOf(record, this.deps.beats);
    this.after(CHALLENGE_BEATS * beatMs, () => {
      if (record.challenger !== session || record.session !== old) return;
      // A beat that was on its way when the newcomer called proves nothing.
      if (old.lastBeatMs > since + beatMs / 4) return this.quarantine(record, old, session);
      old.bye('superseded', 'another stream of this agent has connected and this one was silent');
    });
  }

  private quarantine(record: AgentRecord, old: Session, newcomer: Session): void {
    record.quarantinedSerial = old.peer.certificateSerial;
    const boots = [old.hello!.bootId, newcomer.hello!.bootId];
    this.deps.log.error(
      { instanceId: old.peer.instanceId, boots },
      'two machines use one identity; both are quarantined',
    );
    for (const s of [newcomer, old]) s.bye('cloned_identity', 'two machines use this identity at once');
    record.notify((o, agent) => o.onCloned?.(agent, boots));
  }

  private install(record: AgentRecord, session: Session): void {
    const hello = session.hello!;
    record.challenger = undefined;
    record.session = session;
    record.agent = { ...record.agent, certificateSerial: session.peer.certificateSerial };
    if (record.quarantinedSerial !== session.peer.certificateSerial) record.quarantinedSerial = undefined;
    record.adopt(hello);
    record.fastBeats = 0;
    record.steadyBeats = 0;
    // Whoever hears of the new stream knows that.
    record.suspected = false;
    this.beat(record, session);
    record.notify((o, agent) => o.onConnected?.({ hello, agent }), session);
    session.welcome(this.welcomeOf(record).message.value);
  }

  /** A beat on a live stream: the lease starts anew, who was lost has returned, and who was suspected was so wrongly. */
  beat(record: AgentRecord, session: Session): void {
    const now = this.deps.clock.monotonicMs();
    session.lastBeatMs = now;
    beat(record, now, this.deps.beats);
    const { suspected, lost } = record;
    record.suspected = record.lost = false;
    if (lost) record.notify((o, agent) => o.onReturned?.(agent), session);
    else if (suspected) record.notify((o, agent) => o.onTrusted?.(agent), session);
  }

  private welcomeOf(record: AgentRecord) {
    const { beatMs, leaseMs, vipBeatMs, vipLeaseMs } = this.deps.beats;
    const rate = record.vipCandidate ? { beatMs: vipBeatMs, leaseMs: vipLeaseMs } : { beatMs, leaseMs };
    const value: agentV1.Welcome = { storeEpoch: this.storeEpoch, ...rate, instanceId: record.agent.instanceId };
    return { message: { $case: 'welcome' as const, value } };
  }

  private tick(): void {
    const now = this.deps.clock.monotonicMs();
    const { suspected, lost, doubted } = this.judge.tick(this.records.values(), now, this.deps.beats);
    if (doubted.length > 0)
      this.deps.log.warn({ agents: doubted.length }, 'most agents fell silent at once: waiting for one more lease');
    for (const record of suspected) record.notify((o, agent) => o.onSuspected?.(agent));
    for (const record of lost) {
      const silentMs = Math.round(now - (record.lastBeatMs ?? record.leaseFromMs));
      this.deps.log.warn({ instanceId: record.agent.instanceId, silentMs }, 'agent lost');
      record.notify((o, agent) => o.onLost?.(agent, silentMs));
    }
  }

  private tellSettled(event: Parameters<NonNullable<AgentObserver['onSettled']>>[0]): void {
    const tell = async () => {
      for (const observer of this.observers) await observer.onSettled?.(event);
    };
    tell().catch((error: unknown) => this.deps.log.error({ error: errorMessage(error) }, 'settled observer failed'));
  }
}
