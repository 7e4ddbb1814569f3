import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { deterministicId, refusal, RefusedError } from '#kernel';
import { EVENT_STORE, type EventStore } from '#event-store';
import { TRANSACTOR, Transactor, type CommandContext, type CommandResult } from '#processing';
import { virtualIpDecider, type VirtualIpCommand } from '../domain/virtual-ip/decide.js';
import type { LiveVirtualIp, Member } from '../domain/virtual-ip/state.js';
import { AllocateVirtualIp, ReleaseVirtualIp, ReserveVirtualIp, SetVirtualIpCandidates } from './commands.js';
import { allocateAddress, releaseAddress } from './peer-handlers.js';
import { refusable, Writes } from './writes.js';

/** The id that a cluster's virtual IP of one purpose always has. */
export const clusterVirtualIpId = (clusterId: string, purpose: string): `virtual_ip-${string}` =>
  deterministicId('virtual_ip', clusterId, purpose);

@CommandHandler(ReserveVirtualIp)
export class ReserveVirtualIpHandler implements ICommandHandler<ReserveVirtualIp> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
  ) {}

  execute({ payload, context }: ReserveVirtualIp): Promise<CommandResult<{ virtual_ip_id: string; address: string }>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      const network = await writes.network(payload.network_id);
      const { cluster_id: clusterId, purpose } = payload;
      const id =
        clusterId === null ? deterministicId('virtual_ip', context.commandId) : clusterVirtualIpId(clusterId, purpose);
      const { v6 } = await allocateAddress(writes, network, id, 'vip');
      const state = await writes.step('reserve', id, virtualIpDecider, {
        kind: 'reserve',
        virtualIpId: id,
        networkId: payload.network_id,
        clusterId,
        name: payload.name,
        purpose,
        address: v6,
      });
      if (state.status === 'none') throw new Error(`virtual IP ${id} is not there after it was reserved`);
      if (state.status === 'released')
        throw new RefusedError(
          refusal(409, 'virtual_ip_released', `${state.name} was released`, { field: 'virtual_ip_id' }),
        );
      return writes.done({ virtual_ip_id: id, address: state.address });
    });
  }
}

abstract class OnVirtualIpHandler {
  constructor(
    @Inject(TRANSACTOR) protected readonly transactor: Transactor,
    @Inject(EVENT_STORE) protected readonly store: EventStore,
  ) {}

  protected async decide(id: string, command: VirtualIpCommand, context: CommandContext) {
    const writes = new Writes(this.transactor, this.store, context);
    await writes.owned(id, 'virtual_ip_id', 'virtual ip');
    const state = await writes.step(command.kind, id, virtualIpDecider, command);
    if (state.status === 'none') throw new Error(`virtual IP ${id} has events but no state`);
    return { writes, state };
  }
}

@CommandHandler(SetVirtualIpCandidates)
export class SetVirtualIpCandidatesHandler
  extends OnVirtualIpHandler
  implements ICommandHandler<SetVirtualIpCandidates>
{
  execute({ payload, context }: SetVirtualIpCandidates): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      for (const candidate of payload.candidates) await checkMember(writes, candidate);
      const done = await this.decide(
        payload.virtual_ip_id,
        { kind: 'set_candidates', candidates: payload.candidates },
        context,
      );
      return done.writes.done(undefined);
    });
  }
}

const checkMember = async (writes: Writes, member: Member): Promise<void> => {
  const peer = await writes.peer(member.peer_id);
  if (peer !== undefined && peer.status !== 'removed' && peer.attached.instance_id === member.instance_id) return;
  throw new RefusedError(
    refusal(422, 'MissingSdwanPeerError', `${member.peer_id} is not a peer of ${member.instance_id}`, {
      field: 'candidates',
      hint: 'attach the instance to the network first (system_sdwan_attach_peer)',
    }),
  );
};

@CommandHandler(AllocateVirtualIp)
export class AllocateVirtualIpHandler extends OnVirtualIpHandler implements ICommandHandler<AllocateVirtualIp> {
  execute({ payload, context }: AllocateVirtualIp): Promise<CommandResult<{ address: string }>> {
    return refusable(async () => {
      const { writes, state } = await this.decide(
        payload.virtual_ip_id,
        { kind: 'allocate', holder: payload.holder },
        context,
      );
      return writes.done({ address: state.address });
    });
  }
}

@CommandHandler(ReleaseVirtualIp)
export class ReleaseVirtualIpHandler extends OnVirtualIpHandler implements ICommandHandler<ReleaseVirtualIp> {
  execute({ payload, context }: ReleaseVirtualIp): Promise<CommandResult<void>> {
    return refusable(async () => {
      const command = { kind: 'release', reason: payload.reason } as const;
      const { writes, state } = await this.decide(payload.virtual_ip_id, command, context);
      await releaseAddress(writes, (state as LiveVirtualIp).networkId, payload.virtual_ip_id);
      return writes.done(undefined);
    });
  }
}
