import type { LiveVirtualIp, Member } from '../virtual-ip/state.js';
import type { CompiledVip, LeaseTimes, NetworkView, PeerView } from './model.js';
import { effectiveMode, hubsOf, isHub } from './topology.js';

/** Who holds a VIP, as one member is to see it. */
export interface Assignment {
  readonly epoch: number;
  readonly holder: Member | null;
}

/**
 * While a move runs only the new holder sees the new epoch; everybody else keeps the old one until the move is
 * complete or the priority lane tells them. So a slow delta can never send a peer to a holder that is not ready.
 */
export const assignmentFor = (vip: LiveVirtualIp, peerId: string): Assignment => {
  if (vip.status === 'moving' && vip.move !== null && !vip.move.failed && vip.move.to.peer_id === peerId)
    return { epoch: vip.move.epoch, holder: vip.move.to };
  return { epoch: vip.holderEpoch, holder: vip.holder };
};

export const compileVips = (network: NetworkView, self: PeerView, lease: LeaseTimes): CompiledVip[] => {
  const vips = [...network.virtualIps.values()].filter((vip) => vip.epoch > 0 && vip.status !== 'released');
  return vips.map((vip) => compileVip(network, self, vip, assignmentFor(vip, self.peerId), lease));
};

export const compileVip = (
  network: NetworkView,
  self: PeerView,
  vip: LiveVirtualIp,
  { epoch, holder }: Assignment,
  lease: LeaseTimes,
): CompiledVip => {
  const role =
    holder?.peer_id === self.peerId
      ? 'holder'
      : vip.candidates.some((c) => c.peer_id === self.peerId)
        ? 'candidate'
        : 'member';
  return {
    vip_id: vip.virtualIpId,
    network_id: network.networkId,
    address: vip.address,
    epoch,
    holder_peer_id: holder?.peer_id ?? null,
    route_peer_id: role === 'holder' ? null : routeTo(network, self, holder),
    role,
    release_after_move: false,
    lease: role === 'member' ? null : leaseOf(network, vip, lease),
  };
};

/** A spoke reaches a holder through its primary hub, unless the holder is itself a hub. */
const routeTo = (network: NetworkView, self: PeerView, holder: Member | null): string | null => {
  const peer = holder === null ? undefined : network.peers.get(holder.peer_id);
  if (peer === undefined || peer.publicKey === null) return null;
  if (effectiveMode(network) === 'mesh' || isHub(self) || isHub(peer)) return peer.peerId;
  return hubsOf(network)[0]?.peerId ?? null;
};

/** Voters are the candidates, and the platform where their number is even. One candidate alone needs no lease. */
const leaseOf = (network: NetworkView, vip: LiveVirtualIp, lease: LeaseTimes): CompiledVip['lease'] => {
  const voters = vip.candidates
    .flatMap((candidate) => {
      const peer = network.peers.get(candidate.peer_id);
      return peer === undefined ? [] : [{ peer_id: peer.peerId, address: peer.addressV6 }];
    })
    .sort((a, b) => (a.peer_id < b.peer_id ? -1 : 1));
  if (voters.length < 2) return null;
  return { beat_ms: lease.beatMs, ttl_ms: lease.ttlMs, voters, platform_votes: voters.length % 2 === 0 };
};
