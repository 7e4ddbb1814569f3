import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { refusal, RefusedError, type Refusal } from '#kernel';
import { EVENT_STORE, type EventStore, type Position } from '#event-store';
import { TRANSACTOR, Transactor, type CommandContext, type CommandResult } from '#processing';
import type { MoveReason } from '../domain/events.js';
import { portLedgerDecider } from '../domain/port-ledger/decide.js';
import { peerDecider } from '../domain/peer/decide.js';
import { sameMember, type LiveVirtualIp, type Member } from '../domain/virtual-ip/state.js';
import { DetachInstance, DetachPeer, FailoverVirtualIp, MoveVirtualIpAway, type MoveAnswer } from './commands.js';
import { FailoverService } from './failover/failover-service.js';
import { claimLan } from './lan-claims.js';
import { releaseAddress } from './peer-handlers.js';
import { portStreamOf, refusable, Writes } from './writes.js';

const answer = (vip: LiveVirtualIp, more: Partial<MoveAnswer> & Pick<MoveAnswer, 'outcome'>): MoveAnswer => ({
  virtual_ip_id: vip.virtualIpId,
  name: vip.name,
  from_instance_id: vip.holder?.instance_id ?? null,
  to_instance_id: null,
  epoch: vip.epoch,
  duration_ms: 0,
  detail: '',
  ...more,
});

const moveOne = async (
  service: FailoverService,
  vip: LiveVirtualIp,
  reason: MoveReason,
  context: CommandContext,
  target?: Member,
): Promise<{ answer: MoveAnswer; position?: Position }> => {
  const choice = service.coordinator.choice(vip, reason);
  if (target === undefined && choice.order.length === 0) {
    const detail = choice.passedOver.map((p) => `${p.member.instance_id}: ${p.why}`).join('; ');
    return { answer: answer(vip, { outcome: 'no_candidate', detail }) };
  }
  const planned = vip.holder !== null && service.coordinator.facts.of(vip.holder).live;
  const result = await service.coordinator.move(vip, reason, planned, target, context);
  const moved = answer(vip, {
    outcome: result.outcome === 'moved' ? 'moved' : 'failed',
    to_instance_id: result.to?.instance_id ?? null,
    epoch: result.epoch,
    duration_ms: result.durationMs,
    detail: result.detail,
  });
  return { answer: moved, ...(result.position === undefined ? {} : { position: result.position }) };
};

/** What the instance holds, as the log says and not as the model may not say yet. */
const heldBy = async (service: FailoverService, instanceId: string, accountId: string): Promise<LiveVirtualIp[]> => {
  await service.caughtUp();
  return [...service.model.virtualIps()].filter(
    (vip) =>
      vip.holder?.instance_id === instanceId &&
      service.model.virtualIp(vip.virtualIpId)?.network.accountId === accountId,
  );
};

@CommandHandler(MoveVirtualIpAway)
export class MoveVirtualIpAwayHandler implements ICommandHandler<MoveVirtualIpAway> {
  constructor(@Inject(FailoverService) private readonly service: FailoverService) {}

  async execute({ payload, context }: MoveVirtualIpAway): Promise<CommandResult<{ moves: readonly MoveAnswer[] }>> {
    const held = await heldBy(this.service, payload.instance_id, context.accountId);
    const done = await Promise.all(held.map((vip) => moveOne(this.service, vip, payload.reason, context)));
    const moves = done.map((move) => move.answer);
    const position = done
      .map((move) => move.position)
      .reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a), undefined);
    const warnings = moves
      .filter((move) => move.outcome !== 'moved')
      .map(
        (move) =>
          `outage_expected: ${move.name} stays on ${payload.instance_id} (${move.outcome}${move.detail === '' ? '' : `: ${move.detail}`})`,
      );
    return {
      kind: 'done',
      value: { moves },
      ...(position === undefined ? {} : { position }),
      ...(warnings.length === 0 ? {} : { warnings }),
    };
  }
}

@CommandHandler(FailoverVirtualIp)
export class FailoverVirtualIpHandler implements ICommandHandler<FailoverVirtualIp> {
  constructor(@Inject(FailoverService) private readonly service: FailoverService) {}

  execute({ payload, context }: FailoverVirtualIp): Promise<CommandResult<MoveAnswer>> {
    return refusable(async () => {
      await this.service.caughtUp();
      const known = this.service.model.virtualIp(payload.virtual_ip_id);
      if (known === undefined || known.network.accountId !== context.accountId)
        throw new RefusedError(
          refusal(404, 'virtual_ip_not_found', `no virtual IP ${payload.virtual_ip_id}`, { field: 'virtual_ip_id' }),
        );
      const { vip } = known;
      if (vip.status === 'reserved' || vip.status === 'released') throw new RefusedError(notHeld(vip));
      const target = payload.target_instance_id === null ? undefined : this.target(vip, payload.target_instance_id);
      if (target !== undefined && sameMember(target, vip.holder))
        return done(answer(vip, { outcome: 'already_there', to_instance_id: target.instance_id }));
      const best = target ?? this.service.coordinator.choice(vip, 'operator').order[0];
      if (best === undefined) throw new RefusedError(noCandidate(this.service, vip));
      if (payload.dry_run === true) {
        const detail = passedOver(this.service, vip, best);
        return done(
          answer(vip, { outcome: 'planned', to_instance_id: best.instance_id, epoch: vip.epoch + 1, detail }),
        );
      }
      const { answer: moved, position } = await moveOne(this.service, vip, 'operator', context, target);
      if (moved.outcome !== 'moved')
        throw new RefusedError(
          refusal(503, 'move_failed', `${vip.name} was not moved: ${moved.detail}`, {
            hint: 'look at system_sdwan_get_virtual_ip and call again',
          }),
        );
      return { kind: 'done', value: moved, ...(position === undefined ? {} : { position }) };
    });
  }

  private target(vip: LiveVirtualIp, instanceId: string): Member {
    const { order, passedOver } = this.service.coordinator.choice(vip, 'operator');
    const fit = order.find((member) => member.instance_id === instanceId);
    if (fit !== undefined) return fit;
    const why = passedOver.find((p) => p.member.instance_id === instanceId);
    if (why?.why === 'holds it now') return why.member;
    const others = passedOver.filter((p) => p !== why).map((p) => `${p.member.instance_id}: ${p.why}`);
    throw new RefusedError(
      refusal(409, 'target_unfit', `${instanceId} cannot take ${vip.name}: ${why?.why ?? 'it is not a candidate'}`, {
        field: 'target_instance_id',
        candidates: order.map((member) => ({ id: member.instance_id })),
        hint: [order.length === 0 ? 'nobody can take it now' : 'name one of the candidates, or none', ...others].join(
          '; ',
        ),
      }),
    );
  }
}

/** For somebody who asks what would happen: why it would not be one of the others. */
const passedOver = (service: FailoverService, vip: LiveVirtualIp, best: Member): string => {
  const choice = service.coordinator.choice(vip, 'operator');
  const rest = choice.order
    .filter((member) => !sameMember(member, best))
    .map((m) => `${m.instance_id}: could take it too`);
  return [...rest, ...choice.passedOver.map((p) => `${p.member.instance_id}: ${p.why}`)].join('; ');
};

const done = (value: MoveAnswer): CommandResult<MoveAnswer> => ({ kind: 'done', value });

const notHeld = ({ status, name, candidates }: LiveVirtualIp): Refusal =>
  refusal(409, `virtual_ip_${status}`, `${name} is ${status}: there is nothing to move`, {
    field: 'virtual_ip_id',
    candidates: candidates.map((member) => ({ id: member.instance_id })),
    hint:
      status === 'released'
        ? 'it is gone; system_sdwan_list_virtual_ips lists those that are there'
        : 'it is held once a candidate is ready',
  });

const noCandidate = (service: FailoverService, vip: LiveVirtualIp): Refusal => {
  const { passedOver } = service.coordinator.choice(vip, 'operator');
  return refusal(409, 'no_candidate', `nobody can take ${vip.name} now`, {
    field: 'virtual_ip_id',
    candidates: vip.candidates.map((member) => ({ id: member.instance_id })),
    hint: passedOver.map((p) => `${p.member.instance_id}: ${p.why}`).join('; ') || 'it has no candidates',
  });
};

const detach = async (writes: Writes, peerId: string, reason: string): Promise<void> => {
  const peer = await writes.peer(peerId);
  if (peer === undefined) return;
  // Each step is repeated without effect: a kill after the first must not keep address and port for ever.
  await writes.step(`detach ${peerId}`, peerId, peerDecider, { kind: 'detach', reason });
  await releaseAddress(writes, peer.attached.network_id, peerId);
  const { instance_id: instanceId } = peer.attached;
  if (instanceId === null) return;
  await claimLan(writes, peer.attached.network_id, peerId, []);
  const command = { kind: 'release', instanceId, peerId: peer.attached.peer_id } as const;
  await writes.step(`port ${peerId}`, portStreamOf(instanceId), portLedgerDecider, command);
};

@CommandHandler(DetachPeer)
export class DetachPeerHandler implements ICommandHandler<DetachPeer> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(FailoverService) private readonly service: FailoverService,
  ) {}

  execute({ payload, context }: DetachPeer): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      await writes.owned(payload.peer_id, 'peer_id', 'peer');
      const warnings: string[] = [];
      await this.service.caughtUp();
      for (const vip of [...this.service.model.virtualIps()].filter((v) => v.holder?.peer_id === payload.peer_id)) {
        const { answer: moved } = await moveOne(this.service, vip, 'holder_removed', context);
        if (moved.outcome !== 'moved')
          warnings.push(`${vip.name} could not be moved away first: ${moved.outcome} ${moved.detail}`.trim());
      }
      await detach(writes, payload.peer_id, payload.reason);
      return writes.done(undefined, warnings);
    });
  }
}

@CommandHandler(DetachInstance)
export class DetachInstanceHandler implements ICommandHandler<DetachInstance> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
  ) {}

  execute({ payload, context }: DetachInstance): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      for (const peerId of payload.peer_ids) await detach(writes, peerId, payload.reason);
      return writes.done(undefined);
    });
  }
}
