import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { deterministicId, refusal, RefusedError } from '#kernel';
import { EVENT_STORE, type EventStore } from '#event-store';
import { TRANSACTOR, Transactor, type CommandContext, type CommandResult } from '#processing';
import { addressLedgerDecider } from '../domain/address-ledger/decide.js';
import { claimLedgerDecider } from '../domain/claim-ledger/decide.js';
import { peerDecider, type PeerCommand } from '../domain/peer/decide.js';
import {
  AnnouncePeerKey,
  AttachPeer,
  RecordPeerDrift,
  RecordPeerLiveness,
  RecordPeerOverdue,
  ReportPeerEndpoints,
} from './commands.js';
import { endpointRefusal } from '../domain/peer/endpoint.js';
import { nextKeyOf } from '../domain/peer/key-rotation.js';
import { portLedgerDecider } from '../domain/port-ledger/decide.js';
import { FailoverService } from './failover/failover-service.js';
import { claimLan, refuseTakenLan } from './lan-claims.js';
import { adoptKeysAndRanges, adoptPorts } from './old-claims.js';
import { ledgerStreamOf, portStreamOf, refusable, Writes, type ActiveNetwork } from './writes.js';

@CommandHandler(AttachPeer)
export class AttachPeerHandler implements ICommandHandler<AttachPeer> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(FailoverService) private readonly service: FailoverService,
  ) {}

  execute(command: AttachPeer): Promise<CommandResult<{ peer_id: string; address_v6: string; address_v4: string }>> {
    return refusable(async () => {
      const { payload, context } = command;
      const writes = new Writes(this.transactor, this.store, context);
      const network = await writes.network(payload.network_id);
      const name = await this.instanceName(writes, payload.instance_id);
      const peerId = await this.livePeerId(writes, payload.network_id, payload.instance_id);
      const bad = payload.endpoint_host == null ? undefined : endpointRefusal(payload.endpoint_host);
      if (bad !== undefined) throw new RefusedError(bad);
      const { lan_subnets = [], lan_masquerade: masquerade = false } = payload;
      await refuseTakenLan(this.transactor, context.accountId, payload.network_id, peerId, lan_subnets);
      const port = await this.claimPort(writes, payload.instance_id, peerId, payload.listen_port);
      const subnets = lan_subnets.length === 0 ? [] : await claimLan(writes, payload.network_id, peerId, lan_subnets);
      const address = await allocateAddress(writes, network, peerId, 'node');
      const state = await writes.step('attach', peerId, peerDecider, {
        kind: 'attach',
        lan: { subnets, masquerade },
        data: {
          peer_id: peerId,
          network_id: payload.network_id as `sdwan_network-${string}`,
          kind: 'node',
          instance_id: payload.instance_id as `instance-${string}`,
          grant_id: null,
          name,
          address_v6: address.v6,
          address_v4: address.v4,
          publicly_reachable: payload.publicly_reachable ?? false,
          endpoint_host: payload.endpoint_host ?? null,
          endpoint_port: payload.endpoint_port ?? null,
          listen_port: port,
          tags: [...(payload.tags ?? [])],
          public_key: null,
        },
      });
      if (state.status === 'none') throw new Error(`peer ${peerId} is not there after it was attached`);
      return writes.done({
        peer_id: peerId,
        address_v6: state.attached.address_v6,
        address_v4: state.attached.address_v4,
      });
    });
  }

  /** Each network of a node is an interface of its own, and two sockets cannot share a port. */
  private async claimPort(
    writes: Writes,
    instanceId: string,
    peerId: `sdwan_peer-${string}`,
    wanted: number | undefined,
  ): Promise<number> {
    const attached = await writes.peer(peerId);
    if (attached !== undefined) return attached.attached.listen_port;
    await adoptPorts(writes, this.transactor, this.service, instanceId);
    const ids = { instanceId: instanceId as `instance-${string}`, peerId };
    const command = { kind: 'claim', ...ids, wanted } as const;
    const ports = await writes.step(`port ${peerId}`, portStreamOf(instanceId), portLedgerDecider, command);
    const port = ports.get(peerId);
    if (port === undefined) throw new Error(`${peerId} has no port after it was claimed`);
    return port;
  }

  /** The instance must exist, belong to the account and not be gone; its own stream says so. */
  private async instanceName(writes: Writes, instanceId: string): Promise<string> {
    await writes.owned(instanceId, 'node_instance_id', 'instance');
    let name = instanceId;
    for await (const event of this.store.readStream(instanceId)) {
      if (event.type === 'system.instance.created') name = String(event.data.name);
      if (event.type !== 'system.instance.terminated' && event.type !== 'system.instance.forgotten') continue;
      throw new RefusedError(
        refusal(409, 'instance_gone', `${name} was ${event.type.slice('system.instance.'.length)}`, {
          field: 'node_instance_id',
          hint: 'provision a new instance of the node and attach that',
        }),
      );
    }
    return name;
  }

  /** The id of the current incarnation: after a detach the next attachment is another peer, with another address. */
  private async livePeerId(writes: Writes, networkId: string, instanceId: string): Promise<`sdwan_peer-${string}`> {
    for (let incarnation = 0; ; incarnation++) {
      const peerId = deterministicId('sdwan_peer', networkId, instanceId, incarnation);
      if ((await writes.peer(peerId))?.status !== 'removed') return peerId;
    }
  }
}

export const allocateAddress = async (
  writes: Writes,
  network: ActiveNetwork,
  ownerId: string,
  range: 'vip' | 'node' | 'device',
): Promise<{ v6: string; v4: string }> => {
  const { networkId, cidr64, cidrV4 } = network;
  const command = { kind: 'allocate', networkId, ownerId, range, cidr64, cidrV4, nowMs: writes.context.nowMs } as const;
  const ledger = await writes.step(`address ${ownerId}`, ledgerStreamOf(networkId), addressLedgerDecider, command);
  const address = ledger.byOwner.get(ownerId);
  if (address === undefined) throw new Error(`${ownerId} has no address after it was allocated`);
  return { v6: address.addressV6, v4: address.addressV4 ?? '' };
};

/** WireGuard keeps one peer for a key: a second one with it would cut the first one off. */
export const claimKey = async (
  writes: Writes,
  networkId: `sdwan_network-${string}`,
  peerId: `sdwan_peer-${string}`,
  publicKey: string,
  beside?: string,
): Promise<void> => {
  const more = beside === undefined ? {} : { beside };
  const command = { kind: 'claim_key', networkId, peerId, publicKey, ...more } as const;
  await writes.step(`key ${peerId}`, ledgerStreamOf(networkId), claimLedgerDecider, command);
};

export const releaseAddress = async (writes: Writes, networkId: string, ownerId: string): Promise<void> => {
  const command = { kind: 'release', networkId, ownerId, nowMs: writes.context.nowMs } as const;
  await writes.step(`release ${ownerId}`, ledgerStreamOf(networkId), addressLedgerDecider, command);
};

/** One decision on one peer's stream. */
export abstract class OnPeerHandler {
  constructor(
    @Inject(TRANSACTOR) protected readonly transactor: Transactor,
    @Inject(EVENT_STORE) protected readonly store: EventStore,
  ) {}

  protected decide(peerId: string, command: PeerCommand, context: CommandContext): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      await writes.owned(peerId, 'peer_id', 'peer');
      await writes.step(command.kind, peerId, peerDecider, command);
      return writes.done(undefined);
    });
  }
}

@CommandHandler(AnnouncePeerKey)
export class AnnouncePeerKeyHandler extends OnPeerHandler implements ICommandHandler<AnnouncePeerKey> {
  constructor(
    @Inject(TRANSACTOR) transactor: Transactor,
    @Inject(EVENT_STORE) store: EventStore,
    @Inject(FailoverService) private readonly service: FailoverService,
  ) {
    super(transactor, store);
  }

  execute({ payload: p, context }: AnnouncePeerKey): Promise<CommandResult<void>> {
    const command = { kind: 'announce_key', publicKey: p.public_key, listenPort: p.listen_port } as const;
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      await writes.owned(p.peer_id, 'peer_id', 'peer');
      const peer = await writes.peer(p.peer_id);
      // What the peer itself refuses must not leave a claim behind.
      const decision = peerDecider.decide(command, peer ?? peerDecider.initial);
      if (decision.kind === 'reject') throw new RefusedError(decision.refusal);
      const { network_id: networkId, peer_id: peerId } = peer!.attached;
      if (peer!.publicKey !== p.public_key) await adoptKeysAndRanges(writes, this.transactor, this.service, networkId);
      // A change of key has claimed it beside the old one, which others still have.
      const { rotation, publicKey } = peer!;
      const isKept = rotation?.phase === 'switched' && publicKey === p.public_key;
      if (!isKept && nextKeyOf(rotation) !== p.public_key) await claimKey(writes, networkId, peerId, p.public_key);
      await writes.step(command.kind, p.peer_id, peerDecider, command);
      return writes.done(undefined);
    });
  }
}

@CommandHandler(ReportPeerEndpoints)
export class ReportPeerEndpointsHandler extends OnPeerHandler implements ICommandHandler<ReportPeerEndpoints> {
  execute({ payload: p, context }: ReportPeerEndpoints): Promise<CommandResult<void>> {
    return this.decide(p.peer_id, { kind: 'report_endpoints', underlay: p.underlay_addresses }, context);
  }
}

@CommandHandler(RecordPeerLiveness)
export class RecordPeerLivenessHandler extends OnPeerHandler implements ICommandHandler<RecordPeerLiveness> {
  execute({ payload: p, context }: RecordPeerLiveness): Promise<CommandResult<void>> {
    return this.decide(p.peer_id, { kind: p.status }, context);
  }
}

@CommandHandler(RecordPeerDrift)
export class RecordPeerDriftHandler extends OnPeerHandler implements ICommandHandler<RecordPeerDrift> {
  execute({ payload: p, context }: RecordPeerDrift): Promise<CommandResult<void>> {
    return this.decide(p.peer_id, { kind: 'drift_repaired', what: p.what }, context);
  }
}

@CommandHandler(RecordPeerOverdue)
export class RecordPeerOverdueHandler extends OnPeerHandler implements ICommandHandler<RecordPeerOverdue> {
  constructor(
    @Inject(TRANSACTOR) transactor: Transactor,
    @Inject(EVENT_STORE) store: EventStore,
    @Inject(FailoverService) private readonly service: FailoverService,
  ) {
    super(transactor, store);
  }

  async execute({ payload: p, context }: RecordPeerOverdue): Promise<CommandResult<void>> {
    // A peer that is alone has nobody to reach. Of two that do not reach each other the second is told of.
    if (p.stage === 'handshaking' && this.isAlone(p.peer_id)) return { kind: 'done', value: undefined };
    return this.decide(p.peer_id, { kind: 'overdue', stage: p.stage, since: p.since, boundMs: p.bound_ms }, context);
  }

  private isAlone(peerId: string): boolean {
    const { model } = this.service;
    const peers = model.networks.get(model.networkOfPeer.get(peerId) ?? '')?.peers.values() ?? [];
    return ![...peers].some((other) => other.peerId !== peerId && other.publicKey !== null);
  }
}
