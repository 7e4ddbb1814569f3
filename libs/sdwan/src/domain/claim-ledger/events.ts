import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const network_id = idSchema('sdwan_network');
const peer_id = idSchema('sdwan_peer');

/**
 * On `address_ledger-<uuid of the network>`: WireGuard keeps one peer for a key and one peer for an allowed prefix, so that
 * both belong to one peer of the network only. They are given back with the peer's address.
 */
export const PodRangeClaimed = defineEvent(
  'system.sdwan.pod_range.claimed',
  1,
  z.object({
    peer_id,
    network_id,
    pod_cidr: z.string(),
    /** Who had it until now: Kubernetes gives the range of a deleted node to the next one. */
    taken_from: peer_id.nullable(),
  }),
);

/** Of the peer's keys only the latest is its own, and the one that is named beside. */
export const PeerKeyClaimed = defineEvent(
  'system.sdwan.peer_key.claimed',
  1,
  z.object({
    peer_id,
    network_id,
    public_key: z.string(),
    /** While it changes its key the peer has two: the one that it keeps beside. */
    beside: z.string().optional(),
  }),
);

export const claimLedgerEvents = [PodRangeClaimed, PeerKeyClaimed] as const;
