import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { deterministicId, RefusedError } from '#kernel';
import { EVENT_STORE, type EventStore } from '#event-store';
import { TRANSACTOR, Transactor, type CommandResult } from '#processing';
import { claimName, operatorDecider, releaseName } from '#access';
import { accessGrantDecider, goneGrant, type AccessGrantCommand } from '../domain/access-grant/decide.js';
import type { AccessGrantState } from '../domain/access-grant/state.js';
import { claimLedgerDecider, keyRefusal } from '../domain/claim-ledger/decide.js';
import { peerDecider } from '../domain/peer/decide.js';
import { badKey, isPublicKey } from '../domain/peer/public-key.js';
import { CreateAccessGrant, RedeemAccessGrant, RevokeAccessGrant } from './commands.js';
import { DEFAULT_LISTEN_PORT } from '../domain/port-ledger/decide.js';
import { FailoverService } from './failover/failover-service.js';
import { adoptKeysAndRanges } from './old-claims.js';
import { allocateAddress, claimKey, releaseAddress } from './peer-handlers.js';
import { ledgerStreamOf, refusable, Writes } from './writes.js';

@CommandHandler(CreateAccessGrant)
export class CreateAccessGrantHandler implements ICommandHandler<CreateAccessGrant> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
  ) {}

  execute({ payload: p, context }: CreateAccessGrant): Promise<CommandResult<{ grant_id: string }>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      await writes.network(p.network_id);
      const named = await claimName(this.transactor, { kind: 'access_grant', name: p.name, id: p.grant_id }, context);
      if (named.kind === 'refused') throw new RefusedError(named.refusal);
      await writes.step('create', p.grant_id, accessGrantDecider, {
        kind: 'create',
        grantId: p.grant_id,
        networkId: p.network_id,
        name: p.name,
        tags: p.tags,
        tokenDigest: p.token_digest,
        expiresAtMs: p.expires_at_ms,
      });
      // Disabled while this was under way: whoever revokes their grants may have looked before there was this one.
      if (await isOwnerDisabled(this.transactor, this.store, p.grant_id)) {
        await writes.step('revoke', p.grant_id, accessGrantDecider, { kind: 'revoke', reason: OWNER_DISABLED });
        await releaseName(this.transactor, { kind: 'access_grant', name: p.name, id: p.grant_id }, context);
        throw new RefusedError(goneGrant(OWNER_DISABLED));
      }
      return writes.done({ grant_id: p.grant_id });
    });
  }
}

const OWNER_DISABLED = 'the operator who made the grant is disabled';

/** From the event that disables them on, nothing that they handed out lets anybody in. */
const isOwnerDisabled = async (transactor: Transactor, store: EventStore, grantId: string): Promise<boolean> => {
  for await (const { meta } of store.readStream(grantId)) {
    if (meta.actor.kind !== 'operator') return false;
    return (await transactor.read(meta.actor.id, operatorDecider))?.state.disabled === true;
  }
  return false;
};

/** Consumes the token first, so that racing redeemers cannot make two devices; the peer follows, also on a retry. */
@CommandHandler(RedeemAccessGrant)
export class RedeemAccessGrantHandler implements ICommandHandler<RedeemAccessGrant> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(FailoverService) private readonly service: FailoverService,
  ) {}

  execute({ payload: p, context }: RedeemAccessGrant): Promise<CommandResult<{ peer_id: string; network_id: string }>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      const known = (await this.transactor.read(p.grant_id, accessGrantDecider))?.state;
      if (known === undefined || known.status === 'none') throw new RefusedError(goneGrant('unknown bootstrap token'));
      if (!isPublicKey(p.public_key)) throw new RefusedError(badKey('public_key'));
      if (await isOwnerDisabled(this.transactor, this.store, p.grant_id))
        throw new RefusedError(goneGrant(OWNER_DISABLED));
      const network = await writes.network(known.networkId);
      const peerId = deterministicId('sdwan_peer', known.networkId, p.grant_id);
      const redeem = {
        kind: 'redeem',
        tokenDigest: p.token_digest,
        publicKey: p.public_key,
        peerId,
        deviceTokenDigest: p.device_token_digest,
        nowMs: context.nowMs,
      } as const;
      const { networkId } = network;
      await adoptKeysAndRanges(writes, this.transactor, this.service, networkId as `sdwan_network-${string}`);
      await this.refuseTakenKey(known.networkId, peerId, p.public_key);
      const halfway = isMine(known, redeem) && (await writes.peer(peerId)) === undefined;
      const grant = halfway ? known : await writes.step('redeem', p.grant_id, accessGrantDecider, redeem);
      if (grant.status === 'none') throw new Error('a redeemed grant has no state');
      const address = await allocateAddress(writes, network, peerId, 'device');
      await this.claimOrLeave(writes, known.networkId as `sdwan_network-${string}`, peerId, p.public_key);
      await writes.step('attach', peerId, peerDecider, {
        kind: 'attach',
        data: {
          peer_id: peerId,
          network_id: known.networkId as `sdwan_network-${string}`,
          kind: 'device',
          instance_id: null,
          grant_id: p.grant_id as `access_grant-${string}`,
          name: p.device_name ?? known.name,
          address_v6: address.v6,
          address_v4: address.v4,
          publicly_reachable: false,
          endpoint_host: null,
          endpoint_port: null,
          listen_port: DEFAULT_LISTEN_PORT,
          tags: [...grant.tags],
          public_key: p.public_key,
        },
      });
      await this.undoIfRevoked(writes, p.grant_id, known.networkId, peerId);
      return writes.done({ peer_id: peerId, network_id: known.networkId });
    });
  }

  /** Before the grant is spent: the device makes itself another key and asks again. */
  private async refuseTakenKey(networkId: string, peerId: string, publicKey: string): Promise<void> {
    const ledger = await this.transactor.read(ledgerStreamOf(networkId), claimLedgerDecider);
    const taken = ledger === undefined ? undefined : keyRefusal(ledger.state, peerId, publicKey);
    if (taken !== undefined) throw new RefusedError(taken);
  }

  /** Somebody claimed the key after it was looked at: the device gets nothing, its address neither. */
  private async claimOrLeave(
    writes: Writes,
    networkId: `sdwan_network-${string}`,
    peerId: `sdwan_peer-${string}`,
    publicKey: string,
  ): Promise<void> {
    try {
      await claimKey(writes, networkId, peerId, publicKey);
    } catch (error) {
      if (error instanceof RefusedError && error.refusal.code === 'public_key_taken')
        await releaseAddress(writes, networkId, peerId);
      throw error;
    }
  }

  /** A revocation between the two appends found no peer that it could detach. */
  private async undoIfRevoked(writes: Writes, grantId: string, networkId: string, peerId: string): Promise<void> {
    const grant = (await this.transactor.read(grantId, accessGrantDecider))?.state;
    if (grant?.status !== 'revoked') return;
    await writes.step('detach', peerId, peerDecider, { kind: 'detach', reason: 'access grant revoked' });
    await releaseAddress(writes, networkId, peerId);
    throw new RefusedError(goneGrant('the grant was revoked'));
  }
}

/** This very token and key have redeemed the grant; within its time, a crash before the peer was attached is made good. */
const isMine = (grant: AccessGrantState, redeem: Extract<AccessGrantCommand, { kind: 'redeem' }>): boolean =>
  grant.status === 'active' &&
  grant.tokenDigest === redeem.tokenDigest &&
  grant.deviceTokenDigest === redeem.deviceTokenDigest &&
  redeem.nowMs < grant.expiresAtMs;

@CommandHandler(RevokeAccessGrant)
export class RevokeAccessGrantHandler implements ICommandHandler<RevokeAccessGrant> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
  ) {}

  execute({ payload, context }: RevokeAccessGrant): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      await writes.owned(payload.grant_id, 'grant_id', 'access grant');
      const grant = await writes.step('revoke', payload.grant_id, accessGrantDecider, {
        kind: 'revoke',
        reason: payload.reason,
      });
      if (grant.status === 'none') throw new Error('a revoked grant has no state');
      if (grant.peerId !== null) {
        await writes.step('detach', grant.peerId, peerDecider, {
          kind: 'detach',
          reason: `access grant revoked: ${payload.reason}`,
        });
        await releaseAddress(writes, grant.networkId, grant.peerId);
      }
      await releaseName(this.transactor, { kind: 'access_grant', name: grant.name, id: payload.grant_id }, context);
      return writes.done(undefined);
    });
  }
}
