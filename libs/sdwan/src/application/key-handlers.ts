import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { refusal, RefusedError } from '#kernel';
import type { CommandContext, CommandResult } from '#processing';
import { peerDecider, type PeerCommand } from '../domain/peer/decide.js';
import { AnnounceNextPeerKey, OrderPeerKeySwitch, RetirePeerKey, RotatePeerKey } from './commands.js';
import { claimKey, OnPeerHandler } from './peer-handlers.js';
import { refusable, Writes, type KnownPeer } from './writes.js';

@CommandHandler(RotatePeerKey)
export class RotatePeerKeyHandler extends OnPeerHandler implements ICommandHandler<RotatePeerKey> {
  execute({ payload: p, context }: RotatePeerKey): Promise<CommandResult<void>> {
    return this.decide(p.peer_id, { kind: 'request_rotation', reason: p.reason }, context);
  }
}

@CommandHandler(OrderPeerKeySwitch)
export class OrderPeerKeySwitchHandler extends OnPeerHandler implements ICommandHandler<OrderPeerKeySwitch> {
  execute({ payload: p, context }: OrderPeerKeySwitch): Promise<CommandResult<void>> {
    const absent = p.absent as readonly `sdwan_peer-${string}`[];
    const command = { kind: 'order_switch', publicKey: p.public_key, heldBy: p.held_by, absent } as const;
    return this.decide(p.peer_id, command, context);
  }
}

/** Decides on the peer's stream with a claim of keys before or after it on the network's ledger. */
abstract class WithClaimHandler extends OnPeerHandler {
  protected withPeer(
    peerId: string,
    command: PeerCommand,
    context: CommandContext,
    run: (writes: Writes, peer: KnownPeer) => Promise<void>,
  ): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      await writes.owned(peerId, 'peer_id', 'peer');
      const peer = await writes.peer(peerId);
      const decision = peerDecider.decide(command, peer ?? peerDecider.initial);
      // What the peer itself refuses must not leave a claim behind.
      if (decision.kind === 'reject') throw new RefusedError(decision.refusal);
      if (decision.kind === 'accept') await run(writes, peer!);
      return writes.done(undefined);
    });
  }
}

/** Both keys are the peer's own until the old one is retired. */
@CommandHandler(AnnounceNextPeerKey)
export class AnnounceNextPeerKeyHandler extends WithClaimHandler implements ICommandHandler<AnnounceNextPeerKey> {
  execute({ payload: p, context }: AnnounceNextPeerKey): Promise<CommandResult<void>> {
    const command = { kind: 'announce_next_key', rotation: p.rotation, publicKey: p.public_key } as const;
    return this.withPeer(p.peer_id, command, context, async (writes, { attached, publicKey }) => {
      if (publicKey === null)
        throw new RefusedError(refusal(409, 'no_key_yet', 'the peer has no key in use', { field: 'peer_id' }));
      await claimKey(writes, attached.network_id, attached.peer_id, p.public_key, publicKey);
      await writes.step(command.kind, p.peer_id, peerDecider, command);
    });
  }
}

@CommandHandler(RetirePeerKey)
export class RetirePeerKeyHandler extends WithClaimHandler implements ICommandHandler<RetirePeerKey> {
  execute({ payload: p, context }: RetirePeerKey): Promise<CommandResult<void>> {
    const command = { kind: 'retire_key', publicKey: p.public_key } as const;
    return this.withPeer(p.peer_id, command, context, async (writes, { attached, publicKey }) => {
      await writes.step(command.kind, p.peer_id, peerDecider, command);
      if (publicKey !== null) await claimKey(writes, attached.network_id, attached.peer_id, publicKey);
    });
  }
}
