import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { refusal, RefusedError } from '#kernel';
import type { CommandResult } from '#processing';
import { peerDecider, type PeerChange } from '../domain/peer/decide.js';
import { endpointRefusal } from '../domain/peer/endpoint.js';
import { UpdatePeer } from './commands.js';
import { claimLan } from './lan-claims.js';
import { OnPeerHandler } from './peer-handlers.js';
import { refusable, Writes } from './writes.js';

/** The claim of LANs comes first: a kill between the two appends leaves a claim, and never a LAN that two peers have. */
@CommandHandler(UpdatePeer)
export class UpdatePeerHandler extends OnPeerHandler implements ICommandHandler<UpdatePeer> {
  execute({ payload: p, context }: UpdatePeer): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      await writes.owned(p.peer_id, 'peer_id', 'peer');
      const peer = await writes.peer(p.peer_id);
      if (peer === undefined || peer.status === 'removed')
        throw new RefusedError(refusal(404, 'peer_not_found', 'no such peer', { field: 'peer_id' }));
      if (peer.attached.kind === 'device') throw new RefusedError(ofDevice());
      const bad = p.endpoint_host == null ? undefined : endpointRefusal(p.endpoint_host);
      if (bad !== undefined) throw new RefusedError(bad);
      const { lan_subnets: wanted } = p;
      const lan = wanted && (await claimLan(writes, peer.attached.network_id, p.peer_id, wanted));
      const change: PeerChange = {
        ...(p.endpoint_host === undefined ? {} : { endpointHost: p.endpoint_host }),
        ...(p.endpoint_port === undefined ? {} : { endpointPort: p.endpoint_port }),
        ...(lan === undefined ? {} : { lanSubnets: lan }),
        ...(p.lan_masquerade === undefined ? {} : { lanMasquerade: p.lan_masquerade }),
      };
      await writes.step('update', p.peer_id, peerDecider, { kind: 'update', change });
      return writes.done(undefined);
    });
  }
}

const ofDevice = () =>
  refusal(409, 'device_peer', "an operator's device has neither an endpoint nor LANs", {
    field: 'peer_id',
    hint: 'name the peer of a node: system_sdwan_list_peers lists them',
  });
