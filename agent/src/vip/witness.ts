import type { agentV1, VipItem } from '#proto';
import { canonicalAddress } from '../network/cidr.js';
import { LEASE_PORT } from '../lease/wire.js';
import type { Datagrams } from '../ports.js';

/** Within what the platform waits. */
const LOOK_MS = 1_500;

/** A VIP that others hold without a lease: it has no voters, but whoever routes to it can say whether it answers. */
export const isOnlooker = (vip: VipItem | undefined): vip is VipItem =>
  vip !== undefined && vip.lease === null && vip.role !== 'holder';

/**
 * Asks at the VIP itself, not for the agent behind it: an agent that restarts is no outage. The port is one that every
 * firewall of an overlay lets through; nobody listens there at a VIP, and its kernel says so.
 */
export const lookAt = async (
  datagrams: Pick<Datagrams, 'reaches'>,
  vip: VipItem,
  { epoch, question }: agentV1.VoteRequest,
): Promise<agentV1.VotePromise> => {
  const looked = vip.route_peer_id !== null;
  const answers = looked && (await datagrams.reaches(canonicalAddress(vip.address), LEASE_PORT, LOOK_MS));
  const holderHeardMsAgo = answers ? 0n : -1n;
  return { vipId: vip.vip_id, epoch, granted: looked, outstandingMs: 0, holderHeardMsAgo, promisedEpoch: 0n, question };
};
