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
export const PeerDetached = defineEvent(
  'system.sdwan.peer.detached',
  1,
  z.object({ peer_id, network_id, reason: z.string() }),
);

export const peerEvents = [
  PeerAttached,
  PeerKeyAnnounced,
  PeerEndpointsReported,
  PeerPodCidrAssigned,
  PeerPodCidrUnassigned,
  PeerConnected,
  PeerSilent,
  PeerDriftRepaired,
  PeerDetached,
] as const;
