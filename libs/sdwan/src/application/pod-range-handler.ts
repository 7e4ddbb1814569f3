import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { refusal, RefusedError, type Refusal } from '#kernel';
import { EVENT_STORE, type EventStore } from '#event-store';
import { TRANSACTOR, Transactor, type CommandResult } from '#processing';
import { canonical, claimLedgerDecider } from '../domain/claim-ledger/decide.js';
import { contains, mustCidr, parseCidr, type Cidr } from '../domain/ip.js';
import { peerDecider } from '../domain/peer/decide.js';
import { AssignPeerPodCidr } from './commands.js';
import { FailoverService } from './failover/failover-service.js';
import { adoptKeysAndRanges } from './old-claims.js';
import { ledgerStreamOf, refusable, Writes, type KnownPeer } from './writes.js';

/**
 * A range belongs to one peer of the network: who claims it takes it from its earlier owner, whose node Kubernetes has
 * deleted. The earlier owner goes first, so that a kill between two appends leaves the range with nobody and not with two.
 */
@CommandHandler(AssignPeerPodCidr)
export class AssignPeerPodCidrHandler implements ICommandHandler<AssignPeerPodCidr> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(FailoverService) private readonly service: FailoverService,
  ) {}

  execute({ payload: p, context }: AssignPeerPodCidr): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      await writes.owned(p.peer_id, 'peer_id', 'peer');
      const peer = await writes.peer(p.peer_id);
      if (peer === undefined || peer.status === 'removed')
        throw new RefusedError(refusal(404, 'peer_not_found', 'no such peer', { field: 'peer_id' }));
      const network = await writes.network(peer.attached.network_id);
      const range = partOf(network.podSubnetPrefix, p.pod_cidr);
      await this.claim(writes, peer, range);
      const podCidr = canonical(range);
      await writes.step('assign_pod_cidr', p.peer_id, peerDecider, { kind: 'assign_pod_cidr', podCidr });
      return writes.done(undefined);
    });
  }

  private async claim(writes: Writes, peer: KnownPeer, range: Cidr): Promise<void> {
    const { peer_id: peerId, network_id: networkId } = peer.attached;
    await adoptKeysAndRanges(writes, this.transactor, this.service, networkId);
    const stream = ledgerStreamOf(networkId);
    const ledger = (await this.transactor.read(stream, claimLedgerDecider))?.state ?? claimLedgerDecider.initial;
    const from = ledger.ranges.get(canonical(range)) ?? null;
    const command = { kind: 'claim_range', networkId, peerId, range, from } as const;
    if (from === peerId) return;
    const decision = claimLedgerDecider.decide(command, ledger);
    if (decision.kind === 'reject') throw new RefusedError(decision.refusal);
    // An owner that is detached at this very moment has nothing left to be told.
    if (from !== null && (await writes.peer(from))?.status !== 'removed')
      await writes.step('unassign_pod_cidr', from, peerDecider, {
        kind: 'unassign_pod_cidr',
        podCidr: canonical(range),
      });
    await writes.step('claim_range', stream, claimLedgerDecider, command);
  }
}

/** The whole pod prefix on one peer would draw the pods of every other node to it. */
const partOf = (prefix: string | null, text: string): Cidr => {
  const cidr = parseCidr(text);
  const outer = prefix === null ? undefined : mustCidr(prefix);
  if (cidr === undefined || outer === undefined || !contains(outer, cidr) || cidr.length <= outer.length)
    throw new RefusedError(notPart(prefix, text));
  return cidr;
};

const notPart = (prefix: string | null, text: string): Refusal =>
  refusal(422, 'pod_cidr_invalid', `${text} is not a part of the network's pod_subnet_prefix (${prefix ?? 'none'})`, {
    field: 'pod_cidr',
  });
