import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const peer_id = idSchema('sdwan_peer');
const network_id = idSchema('sdwan_network');

export const PeerAttached = defineEvent(
  'system.sdwan.peer.attached',
  1,
  z.object({
    peer_id,
    network_id,
    kind: z.enum(['node', 'device']),
    /** Null for devices. */
    instance_id: idSchema('instance').nullable(),
    grant_id: idSchema('access_grant').nullable(),
    name: z.string(),
    address_v6: z.string(),
    address_v4: z.string(),
    publicly_reachable: z.boolean(),
    endpoint_host: z.string().nullable(),
    endpoint_port: z.number().int().nullable(),
    listen_port: z.number().int(),
    tags: z.array(z.string()),
    /** Devices bring their public key with the grant. */
    public_key: z.string().nullable(),
  }),
);
export const PeerKeyAnnounced = defineEvent(
  'system.sdwan.peer.key_announced',
  1,
  z.object({ peer_id, network_id, public_key: z.string(), listen_port: z.number().int() }),
);
/** Somebody, or the age of its key, wants the node to change it. The number counts the changes of this peer, from 1. */
export const PeerKeyRotationRequested = defineEvent(
  'system.sdwan.peer.key_rotation_requested',
  1,
  z.object({ peer_id, network_id, rotation: z.number().int(), reason: z.enum(['operator', 'age']) }),
);
/** The node has made the key to come. Every other peer makes room for it; nothing is sent to it yet. */
export const PeerNextKeyAnnounced = defineEvent(
  'system.sdwan.peer.next_key_announced',
  1,
  z.object({ peer_id, network_id, rotation: z.number().int(), public_key: z.string() }),
);
/** Every peer that is there holds the key to come: the node is told to take it up. From here on there is no way back. */
export const PeerKeySwitchOrdered = defineEvent(
  'system.sdwan.peer.key_switch_ordered',
  1,
  z.object({
    peer_id,
    network_id,
    public_key: z.string(),
    held_by: z.number().int(),
    /** Peers that could not be waited for, because nothing was heard of them; they catch up. */
    absent: z.array(peer_id),
  }),
);
/** The node runs the new key and says so. */
export const PeerKeySwitched = defineEvent(
  'system.sdwan.peer.key_switched',
  1,
  z.object({ peer_id, network_id, public_key: z.string(), instead_of: z.string() }),
);
/** Nobody that is there has the old key in its tables any more. */
export const PeerKeyRetired = defineEvent(
  'system.sdwan.peer.key_retired',
  1,
  z.object({ peer_id, network_id, public_key: z.string() }),
);
/** What an operator changed about an attached peer; what is left out stays. */
export const PeerUpdated = defineEvent(
  'system.sdwan.peer.updated',
  1,
  z.object({
    peer_id,
    network_id,
    endpoint_host: z.string().nullable().optional(),
    endpoint_port: z.number().int().nullable().optional(),
    /** Canonical prefixes behind the node. */
    lan_subnets: z.array(z.string()).optional(),
    /** Whether packets into them carry the node's own address there. */
    lan_masquerade: z.boolean().optional(),
  }),
);
export const PeerEndpointsReported = defineEvent(
  'system.sdwan.peer.endpoints_reported',
  1,
  z.object({ peer_id, network_id, underlay_addresses: z.array(z.string()) }),
);
/** Kubernetes gave the node this part of the network's pod_subnet_prefix. */
export const PeerPodCidrAssigned = defineEvent(
  'system.sdwan.peer.pod_cidr_assigned',
  1,
  z.object({ peer_id, network_id, pod_cidr: z.string() }),
);
/** Another peer has it now. */
export const PeerPodCidrUnassigned = defineEvent(
  'system.sdwan.peer.pod_cidr_unassigned',
  1,
  z.object({ peer_id, network_id, pod_cidr: z.string() }),
);
export const PeerConnected = defineEvent('system.sdwan.peer.connected', 1, z.object({ peer_id, network_id }));
export const PeerSilent = defineEvent('system.sdwan.peer.silent', 1, z.object({ peer_id, network_id }), {
  severity: 'warning',
});
/** Somebody changed the overlay of the node by hand (`wg set`, `ip route`, `nft`); its agent has put it right. */
export const PeerDriftRepaired = defineEvent(
  'system.sdwan.peer.drift_repaired',
  1,
  z.object({ peer_id, network_id, what: z.array(z.enum(['peers', 'addresses and routes', 'firewall'])) }),
  { severity: 'warning' },
);
/** A peer has come no further in its time, while its machine is there. Once per stay; what it does next clears it. */
export const PeerOverdue = defineEvent(
  'system.sdwan.peer.overdue',
  1,
  z.object({
    peer_id,
    network_id,
    state: z.enum(['pending', 'handshaking', 'changing_key']),
    since: z.iso.datetime(),
    bound_seconds: z.number().int(),
    reason: z.string(),
    next_action: z.string(),
  }),
  { severity: 'warning' },
);
export const PeerDetached = defineEvent(
  'system.sdwan.peer.detached',
  1,
  z.object({ peer_id, network_id, reason: z.string() }),
);

export const peerEvents = [
  PeerAttached,
  PeerKeyAnnounced,
  PeerKeyRotationRequested,
  PeerNextKeyAnnounced,
  PeerKeySwitchOrdered,
  PeerKeySwitched,
  PeerKeyRetired,
  PeerUpdated,
  PeerEndpointsReported,
  PeerPodCidrAssigned,
  PeerPodCidrUnassigned,
  PeerConnected,
  PeerSilent,
  PeerDriftRepaired,
  PeerOverdue,
  PeerDetached,
] as const;
