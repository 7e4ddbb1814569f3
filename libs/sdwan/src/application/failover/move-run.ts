import { errorMessage, type Cancel, type Clock, type Log, type Timers, failpoint, failpointNow } from '#kernel';
import type { Position } from '#event-store';
import type { AgentLink } from '#agent-gateway';
import { agentV1, type VipItem, type VipPreparation } from '#proto';
import type { CommandContext, Transactor } from '#processing';
import {
  newMove,
  stepMove,
  type MoveEffect,
  type MoveInput,
  type MoveOutcome,
  type MovePlan,
  type MoveState,
} from '../../domain/failover/move.js';
import { virtualIpDecider, type VirtualIpCommand } from '../../domain/virtual-ip/decide.js';
import { compileVip } from '../../domain/wireguard-compiler/virtual-ips.js';
import type { LeaseTimes } from '../../domain/wireguard-compiler/model.js';
import type { Member } from '../../domain/virtual-ip/state.js';
import type { MoveReason } from '../../domain/events.js';
import type { SdwanModel } from '../sdwan-model.js';
import type { PlatformVoter } from './platform-voter.js';

/** Why a move is made: the command that asked for it, or the event that made somebody look. */
export type MoveCause = Pick<CommandContext, 'commandId' | 'correlationId' | 'actor' | 'via'>;

export interface MoveDeps {
  readonly model: SdwanModel;
  readonly transactor: Transactor;
  readonly link: Pick<AgentLink, 'sendVip' | 'sendPriority'>;
  readonly voter: PlatformVoter;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly lease: LeaseTimes;
  /** Devices have no agent; they follow a feed. */
  holderReady(vipId: string, epoch: number, holder: Member): void;
  context(accountId: string, causedBy?: MoveCause): CommandContext;
}

export interface MoveResult {
  readonly outcome: MoveOutcome;
  readonly detail: string;
  readonly epoch: number;
  readonly to: Member | null;
  readonly durationMs: number;
  /** Of the last event that the move wrote. */
  readonly position?: Position;
}

const APPEND_TRIES = 5;
const APPEND_RETRY_MS = 100;

/** Carries out the effects of one move and feeds back what the agents and the log answer. */
export class MoveRun {
  readonly done: Promise<MoveResult>;
  private state: MoveState;
  private finish!: (result: MoveResult) => void;
  private cancelTimer: Cancel | undefined;
  private position: Position | undefined;

  constructor(
    private readonly deps: MoveDeps,
    readonly vipId: string,
    private readonly accountId: string,
    readonly reason: MoveReason,
    plan: MovePlan,
    private readonly causedBy: MoveCause,
    /** No other move's, in this process or another one: an answer may come to both. */
    private readonly id: string,
  ) {
    this.state = newMove(plan, deps.clock.monotonicMs());
    this.done = new Promise((resolve) => (this.finish = resolve));
  }

  begin(): void {
    this.input({ kind: 'begin' });
  }

  /** Somebody else goes on with it: nothing more is written or sent from here. */
  abandon(detail: string): void {
    if (this.state.phase === 'over') return;
    this.state = { ...this.state, phase: 'over' };
    this.over({ kind: 'finish', outcome: 'aborted', detail });
  }

  /** The move as the platform's own vote has to see it. */
  get target(): { epoch: number; to: string } | undefined {
    const to = this.state.order[this.state.candidate];
    return to === undefined || ['new', 'witnessing', 'rechecking', 'preparing', 'starting'].includes(this.state.phase)
      ? undefined
      : { epoch: this.state.epoch, to: to.instance_id };
  }

  input(input: MoveInput): void {
    const step = stepMove(this.state, input, this.deps.clock.monotonicMs());
    this.state = step.state;
    for (const effect of step.effects) this.carryOut(effect);
  }

  private carryOut(effect: MoveEffect): void {
    switch (effect.kind) {
      case 'ask':
        return this.ask(effect);
      case 'timer':
        this.cancelTimer?.();
        this.cancelTimer = this.deps.timers.after(effect.afterMs, () =>
          this.input({ kind: 'timer', step: effect.step }),
        );
        return;
      case 'prepare':
        return this.prepare(effect);
      case 'push':
        return this.push(effect);
      case 'holder_ready':
        return this.deps.holderReady(this.vipId, effect.epoch, effect.holder);
      case 'finish':
        return this.over(effect);
      default:
        void this.append(toCommand(effect, this.reason), this.deps.context(this.accountId, this.causedBy));
    }
  }

  private ask(effect: Extract<MoveEffect, { kind: 'ask' }>): void {
    const value = { vipId: this.vipId, epoch: BigInt(effect.epoch), question: `${this.id}/${effect.question}` };
    failpointNow('vip.asking');
    for (const voter of effect.to)
      this.deps.link.sendPriority(voter.instance_id, { message: { $case: 'voteRequest', value } });
  }

  private push(effect: Extract<MoveEffect, { kind: 'push' }>): void {
    failpointNow('vip.pushing');
    for (const member of effect.to) {
      const item = this.itemFor(member, effect, effect.releaseAfterMove);
      if (item !== undefined) this.deps.link.sendVip(member.instance_id, this.word(item));
    }
    failpointNow('vip.pushed');
  }

  private prepare(effect: Extract<MoveEffect, { kind: 'prepare' }>): void {
    const network = this.deps.model.virtualIp(this.vipId)?.network;
    const holder = network?.peers.get(effect.holder.peer_id);
    if (network === undefined || holder === undefined) return;
    failpointNow('vip.preparing');
    const members = this.state.plan.members.filter((member) => network.peers.has(member.peer_id));
    const addresses = members.map((member) => network.peers.get(member.peer_id)!.addressV6);
    for (const member of members) {
      const item = this.itemFor(member, effect, member.instance_id === effect.leaving?.instance_id);
      if (item === undefined) continue;
      const tell = member.peer_id === holder.peerId ? addresses.filter((a) => a !== holder.addressV6) : [];
      const body: VipPreparation = { ...this.word({ item }), holder_address: holder.addressV6, tell };
      const value = { vipId: this.vipId, epoch: BigInt(effect.epoch), body: Buffer.from(JSON.stringify(body)) };
      this.deps.link.sendPriority(member.instance_id, { message: { $case: 'vipPrepare', value } });
    }
  }

  /** It overtakes sections that were made before and may not know the VIP yet. */
  private word<T extends object>(what: T): T & { read_to: string } {
    return { ...what, read_to: String(this.deps.model.position) };
  }

  private itemFor(
    member: Member,
    { epoch, holder }: { epoch: number; holder: Member },
    releaseAfterMove: boolean,
  ): VipItem | undefined {
    const known = this.deps.model.virtualIp(this.vipId);
    const peer = known?.network.peers.get(member.peer_id);
    if (known === undefined || peer === undefined) return undefined;
    const item = compileVip(known.network, peer, known.vip, { epoch, holder }, this.deps.lease);
    return { ...item, release_after_move: releaseAfterMove } as VipItem;
  }

  /** A store that is down for a moment must not leave a move half done: the same append is safe to repeat. */
  private async append(command: VirtualIpCommand, context: CommandContext): Promise<void> {
    for (let attempt = 1; this.state.phase !== 'over'; attempt++) {
      try {
        await failpoint('vip.recording');
        const result = await this.deps.transactor.transact(this.vipId, virtualIpDecider, command, context);
        await failpoint('vip.recorded');
        if (result.kind !== 'refused') this.position = result.position;
        return this.input(
          result.kind === 'refused' ? { kind: 'append_refused', reason: result.refusal.code } : { kind: 'appended' },
        );
      } catch (error) {
        this.deps.log.warn(
          { vip: this.vipId, attempt, error: errorMessage(error) },
          'event of a VIP move not written yet',
        );
        if (attempt >= APPEND_TRIES) return this.input({ kind: 'append_refused', reason: errorMessage(error) });
        await new Promise<void>((resolve) => void this.deps.timers.after(APPEND_RETRY_MS * attempt, resolve));
      }
    }
  }

  private over(effect: Extract<MoveEffect, { kind: 'finish' }>): void {
    this.cancelTimer?.();
    failpointNow('vip.ended');
    const durationMs = Math.round(this.deps.clock.monotonicMs() - this.state.beganMs);
    const to = effect.outcome === 'moved' ? (this.state.order[this.state.candidate] ?? null) : null;
    const level = effect.outcome === 'moved' ? 'info' : 'warn';
    this.deps.log[level](
      {
        vip: this.vipId,
        epoch: this.state.epoch,
        reason: this.reason,
        outcome: effect.outcome,
        detail: effect.detail,
        ms: durationMs,
      },
      'VIP move ended',
    );
    this.finish({
      outcome: effect.outcome,
      detail: effect.detail,
      epoch: this.state.epoch,
      to,
      durationMs,
      ...(this.position === undefined ? {} : { position: this.position }),
    });
  }

  onVipAck(instanceId: string, ack: agentV1.VipAck): void {
    const { VipAck_Role: Role } = agentV1;
    const roles = {
      [Role.ROLE_HOLDER]: 'holder',
      [Role.ROLE_ROUTED]: 'routed',
      [Role.ROLE_RELEASED]: 'released',
      [Role.ROLE_PREPARED]: 'prepared',
      [Role.ROLE_ANSWERING]: 'answering',
    } as const;
    const role = roles[ack.role as keyof typeof roles];
    // An error is not an end: the agent goes on trying, and the deadline of the phase judges it.
    if (role === undefined || ack.error !== '') return;
    this.input({ kind: 'ack', from: instanceId, epoch: Number(ack.epoch), role });
  }

  onVotePromise(instanceId: string, promise: agentV1.VotePromise): void {
    const [move, question] = promise.question?.split('/') ?? [this.id];
    if (move !== this.id) return;
    this.input({
      kind: 'promise',
      from: instanceId,
      epoch: Number(promise.epoch),
      heardMsAgo: Number(promise.holderHeardMsAgo),
      looked: promise.granted,
      question: question === undefined ? undefined : Number(question),
    });
  }
}

type AppendEffect = Extract<MoveEffect, { kind: `append_${string}` }>;

const toCommand = (effect: AppendEffect, reason: MoveReason): VirtualIpCommand => {
  switch (effect.kind) {
    case 'append_started':
      return { kind: 'start_move', epoch: effect.epoch, to: effect.to, reason };
    case 'append_failed':
      return { kind: 'fail_move', epoch: effect.epoch, reason: effect.reason };
    case 'append_moved':
      return { kind: 'complete_move', epoch: effect.epoch, report: effect.report };
    case 'append_stranded':
      return { kind: 'strand', reason: effect.reason };
  }
};
