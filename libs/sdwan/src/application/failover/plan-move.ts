import type { AgentLink } from '#agent-gateway';
import type { MovePlan } from '../../domain/failover/move.js';
import type { MoveReason } from '../../domain/events.js';
import { sameMember, type LiveVirtualIp, type Member } from '../../domain/virtual-ip/state.js';
import type { LeaseTimes } from '../../domain/wireguard-compiler/model.js';
import type { SdwanModel } from '../sdwan-model.js';

interface Surroundings {
  readonly model: SdwanModel;
  readonly link: Pick<AgentLink, 'liveness'>;
  readonly lease: LeaseTimes;
}

/** More would not know more. */
const ONLOOKERS = 5;

/** Who takes part in a move, as things are now. `willing`: the old holder is there and would take part. */
export const planMove = (
  { model, link, lease }: Surroundings,
  vip: LiveVirtualIp,
  order: readonly Member[],
  willing: boolean,
  reason: MoveReason,
): MovePlan => {
  const network = model.virtualIp(vip.virtualIpId)?.network;
  const members = [...(network?.peers.values() ?? [])].flatMap((peer) =>
    peer.instanceId !== null && link.liveness(peer.instanceId).connected
      ? [{ instance_id: peer.instanceId, peer_id: peer.peerId } as Member]
      : [],
  );
  const voters = vip.candidates.filter((c) => network?.peers.has(c.peer_id));
  const unheardMs = vip.holder === null ? 0 : link.liveness(vip.holder.instance_id).silentMs;
  // Detached already, it cannot be told anything any more.
  const planned = willing && vip.holder !== null && network?.peers.has(vip.holder.peer_id) === true;
  const live = members.filter((m) => !sameMember(m, vip.holder) && !link.liveness(m.instance_id).lost);
  return {
    epoch: vip.epoch,
    from: vip.holder,
    order,
    voters,
    platformVotes: voters.length % 2 === 0,
    members,
    devices: [...(network?.peers.values() ?? [])].some((peer) => peer.instanceId === null),
    planned,
    ordered: reason !== 'lease_lost' && reason !== 'health',
    ttlMs: lease.ttlMs,
    onlookers: voters.length < 2 ? live.slice(0, ONLOOKERS) : [],
    unheardMs,
    downForMs: planned || !Number.isFinite(unheardMs) ? 0 : unheardMs,
  };
};
