import { errorMessage } from '#kernel';
import type { agentV1 } from '#proto';
import { assess, type Assessment } from '../../domain/failover/assess.js';
import { chooseCandidates, RETURNING, type Choice } from '../../domain/failover/choose.js';
import type { MovePlan } from '../../domain/failover/move.js';
import type { MoveReason } from '../../domain/events.js';
import { sameMember, type LiveVirtualIp, type Member } from '../../domain/virtual-ip/state.js';
import { aborted, causeOf, contextOf, FAILOVER, NOT_LEADING, type CoordinatorDeps } from './coordinator-deps.js';
import { AgentFacts } from './facts.js';
import { MoveRun, type MoveCause, type MoveDeps, type MoveResult } from './move-run.js';
import { planMove } from './plan-move.js';
import { PlatformVoter } from './platform-voter.js';
import { Retries } from './retries.js';

const TICK_MS = 1_000;
/** A move that the log shows as running but nobody here runs: an earlier life's. It gets this long to end by itself. */
const RETRY_MS = 1_000;
/** After a move that found no majority of voters: the VIP may be away all this time. */
const RETRY_SOON_MS = 200;
const LOOK_AGAIN_MS = 5_000;

/**
 * Owns virtual IP moves: looks at every VIP when something about it changes and once a second, and runs at most one move
 * of each. Everything it decides on is either in the log or heard again from the agents, so a restart loses nothing.
 */
export class FailoverCoordinator {
  readonly facts: AgentFacts;
  readonly voter: PlatformVoter;
  private readonly runs = new Map<string, MoveRun>();
  private readonly retries: Retries;
  private readonly movedAt = new Map<string, number>();
  /** The epoch at which voters heard a holder when they were asked last, where a move ended because of that. */
  private readonly heldAt = new Map<string, number>();
  private readonly candidates = new Set<string>();
  /** Why the last look at a VIP ended as it did; shown by the routing summary. */
  readonly lastWord = new Map<string, string>();
  private stop: (() => void)[] = [];
  private adopted = false;
  private yielded = false;

  constructor(private readonly deps: CoordinatorDeps) {
    const now = () => deps.clock.monotonicMs();
    this.facts = new AgentFacts(deps.model, deps.link, now);
    this.voter = new PlatformVoter(deps.model, deps.link, now, deps.lease.ttlMs);
    this.retries = new Retries(deps.clock, deps.timers, (vipId) => this.lookAt(vipId));
  }

  /** As AgentFacts.adopt; moves that the other one runs are not taken over: in a fork they are resumed from the log. */
  adopt(other: FailoverCoordinator): void {
    this.adopted = true;
    this.facts.adopt(other.facts);
    this.voter.adopt(other.voter);
    this.retries.adopt(other.retries);
    for (const [vipId, at] of other.movedAt) this.movedAt.set(vipId, at);
  }

  /** From now on agents come here. What was heard before, and whom this process granted anything, is another term's. */
  takeLead(): void {
    this.yielded = false;
    if (this.adopted) return;
    this.retries.clear();
    this.facts.startAnew();
    this.voter.startAnew();
  }

  /** Another process leads, and resumes from the log what runs here. */
  yieldLead(): void {
    this.yielded = true;
    this.close();
    for (const run of [...this.runs.values()]) run.abandon(NOT_LEADING);
  }

  start(): void {
    this.close();
    this.stop = [
      this.deps.model.onEvent((event) => {
        if (event.type.startsWith('system.sdwan.virtual_ip.')) this.onVirtualIp(String(event.data.virtual_ip_id));
        else if (event.type.startsWith('system.instance.') || event.type === 'system.sdwan.peer.detached')
          this.onInstance(String(event.data.instance_id ?? ''), causeOf(event));
      }),
      this.deps.timers.every(TICK_MS, () => this.tick()),
    ];
  }

  close(): void {
    for (const stop of this.stop) stop();
    this.stop = [];
    this.retries.stop();
  }

  tick(): void {
    this.markCandidates();
    for (const vip of this.deps.model.virtualIps()) this.look(vip);
  }

  onInstance(instanceId: string, cause?: MoveCause): void {
    for (const vip of this.deps.model.virtualIps()) {
      if (
        instanceId === '' ||
        vip.candidates.some((c) => c.instance_id === instanceId) ||
        vip.holder?.instance_id === instanceId
      )
        this.look(vip, cause);
    }
  }

  onSuspected(instanceId: string): void {
    this.facts.markSuspected(instanceId);
    this.retries.clear();
    this.onInstance(instanceId);
  }

  onLost(instanceId: string): void {
    this.facts.markLost(instanceId);
    this.retries.clear();
    this.onInstance(instanceId);
  }

  onTrusted(instanceId: string): void {
    this.facts.markTrusted(instanceId);
    this.heardAgain(instanceId);
  }

  onConnected(instanceId: string): void {
    this.facts.markConnected(instanceId);
    if (this.candidates.has(instanceId)) this.deps.link.setVipCandidate(instanceId, true);
    this.heardAgain(instanceId);
  }

  private heardAgain(instanceId: string): void {
    for (const run of this.runs.values()) {
      if (this.deps.model.virtualIp(run.vipId)?.vip.holder?.instance_id === instanceId)
        run.input({ kind: 'holder_back' });
    }
    this.onInstance(instanceId);
  }

  onVipAck(instanceId: string, ack: agentV1.VipAck): void {
    this.runs.get(ack.vipId)?.onVipAck(instanceId, ack);
  }

  onVotePromise(instanceId: string, promise: agentV1.VotePromise): void {
    this.runs.get(promise.vipId)?.onVotePromise(instanceId, promise);
  }

  onLeaseBeat(instanceId: string, beat: agentV1.LeaseBeat): void {
    this.voter.onBeat(instanceId, beat, this.runs.get(beat.vipId)?.target);
  }

  /** The best candidates for a VIP now, and why not the others. */
  choice(vip: LiveVirtualIp, reason: MoveReason): Choice {
    return chooseCandidates(
      vip.candidates.map((member) => this.facts.of(member)),
      vip.holder,
      reason,
    );
  }

  /** Runs a move, or joins the one that runs. Ends when the move has ended. */
  async move(
    vip: LiveVirtualIp,
    reason: MoveReason,
    planned: boolean,
    target?: Member,
    causedBy?: MoveCause,
  ): Promise<MoveResult> {
    const running = this.runs.get(vip.virtualIpId);
    if (running !== undefined) return running.done;
    if (this.yielded) return aborted(vip, NOT_LEADING);
    const choice = this.choice(vip, reason);
    const order = target === undefined ? choice.order : [target];
    // Somebody is about to be able to take it: nothing is to be decided before.
    if (order.length === 0 && choice.passedOver.some(({ why }) => why === RETURNING)) {
      this.retries.in(vip.virtualIpId, RETRY_MS);
      return aborted(vip, 'candidates are just coming back');
    }
    return this.run(vip, reason, planMove(this.deps, vip, order, planned, reason), causedBy);
  }

  private look(vip: LiveVirtualIp, cause?: MoveCause): void {
    // Agents report from when they are admitted; what the log says of their VIPs may not be folded by then.
    if (this.stop.length === 0 || this.runs.has(vip.virtualIpId)) return;
    if (this.retries.waits(vip.virtualIpId)) return;
    const verdict = this.assess(vip, this.deps.clock.monotonicMs());
    if (verdict.kind === 'stay' || this.isUnheard(vip, verdict.kind === 'resume')) return;
    if (verdict.kind === 'resume') return this.resume(vip);
    if (verdict.kind === 'strand') return this.background(vip, this.strand(vip, cause));
    this.background(vip, this.move(vip, verdict.reason, verdict.planned, undefined, cause));
  }

  /** Only if nobody else sees the lone holder either; as long as somebody does, that is asked again now and then. */
  private async strand(vip: LiveVirtualIp, cause?: MoveCause): Promise<MoveResult> {
    const result = await this.run(vip, 'lease_lost', planMove(this.deps, vip, [], false, 'lease_lost'), cause);
    this.retries.in(vip.virtualIpId, LOOK_AGAIN_MS);
    return result;
  }

  private background(vip: LiveVirtualIp, move: Promise<MoveResult>): void {
    move.catch((error: unknown) => {
      this.runs.delete(vip.virtualIpId);
      this.retries.in(vip.virtualIpId, RETRY_MS);
      this.deps.log.error(
        { vip: vip.virtualIpId, error: errorMessage(error) },
        'VIP move broke off; it is tried again',
      );
    });
  }

  private assess(vip: LiveVirtualIp, nowMs: number): Assessment {
    const others = vip.candidates
      .filter((member) => !sameMember(member, vip.holder))
      .map((member) => this.facts.of(member));
    const holder = vip.holder === null ? undefined : this.facts.of(vip.holder);
    const lastMovedMs = this.movedAt.get(vip.virtualIpId) ?? -Infinity;
    return assess({ vip, holder, others, nowMs, lastMovedMs });
  }

  /**
   * After a start nobody is connected yet: who would judge then takes every holder for gone. A move that was begun may have
   * ended at the agents without anybody here knowing, so it waits for a candidate however long that takes.
   */
  private isUnheard(vip: LiveVirtualIp, begun: boolean): boolean {
    const candidates = vip.candidates.map((member) => this.facts.of(member));
    if (candidates.some(({ live }) => live)) return false;
    return begun || candidates.some(({ suspected, gone }) => !suspected && !gone);
  }

  private resume(vip: LiveVirtualIp): void {
    const { move } = vip;
    if (move === null) return;
    const planned = vip.holder !== null && this.facts.of(vip.holder).live && !sameMember(vip.holder, move.to);
    const base = planMove(this.deps, vip, this.choice(vip, move.reason).order, planned, move.reason);
    // Given up, and then it took it after all, as voters say: it only has to be written.
    const isHeld = this.heldAt.get(vip.virtualIpId) === move.epoch;
    const plan = move.failed && !isHeld ? base : { ...base, resume: { epoch: move.epoch, to: move.to } };
    this.background(vip, this.run(vip, move.reason, plan));
  }

  private async run(vip: LiveVirtualIp, reason: MoveReason, plan: MovePlan, causedBy?: MoveCause): Promise<MoveResult> {
    const accountId = this.deps.model.virtualIp(vip.virtualIpId)?.network.accountId ?? '';
    // All of a move's events are one story, also when nobody asked for it.
    const own = this.deps.ids.uuid();
    const cause = causedBy ?? { commandId: own, correlationId: own, actor: FAILOVER };
    const run = new MoveRun(this.moveDeps(), vip.virtualIpId, accountId, reason, plan, cause, own);
    this.runs.set(vip.virtualIpId, run);
    run.begin();
    const result = await run.done;
    this.runs.delete(vip.virtualIpId);
    if (result.outcome === 'moved') this.movedAt.set(vip.virtualIpId, this.deps.clock.monotonicMs());
    this.retries.in(vip.virtualIpId, result.detail === 'no_majority' ? RETRY_SOON_MS : RETRY_MS);
    if (result.detail === 'holder_alive') this.heldAt.set(vip.virtualIpId, plan.epoch);
    else this.heldAt.delete(vip.virtualIpId);
    this.lastWord.set(vip.virtualIpId, `${reason}: ${result.outcome} (${result.detail}) at epoch ${result.epoch}`);
    return result;
  }

  private moveDeps(): MoveDeps {
    const { model, transactor, link, clock, timers, log, lease, holderReady } = this.deps;
    return {
      model,
      transactor,
      link,
      voter: this.voter,
      clock,
      timers,
      log,
      lease,
      holderReady,
      context: contextOf(this.deps),
    };
  }

  private onVirtualIp(vipId: string): void {
    this.markCandidates();
    this.lookAt(vipId);
  }

  private lookAt(vipId: string): void {
    const known = this.deps.model.virtualIp(vipId);
    if (known !== undefined) this.look(known.vip);
  }

  /** Candidates of allocated VIPs beat fast; nobody else has to. */
  private markCandidates(): void {
    const wanted = new Set<string>();
    for (const vip of this.deps.model.virtualIps()) {
      if (vip.epoch > 0 && vip.candidates.length > 1)
        for (const member of vip.candidates) wanted.add(member.instance_id);
    }
    for (const id of wanted) if (!this.candidates.has(id)) this.setCandidate(id, true);
    for (const id of this.candidates) if (!wanted.has(id)) this.setCandidate(id, false);
  }

  private setCandidate(instanceId: string, isCandidate: boolean): void {
    if (isCandidate) this.candidates.add(instanceId);
    else this.candidates.delete(instanceId);
    this.deps.link.setVipCandidate(instanceId, isCandidate);
  }
}
