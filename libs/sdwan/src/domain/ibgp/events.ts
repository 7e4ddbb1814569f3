import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const ids = { peer_id: idSchema('sdwan_peer'), network_id: idSchema('sdwan_network') };

/** The node's routing daemon runs: it learns the network's prefixes, and others learn its own. */
export const PeerRoutingStarted = defineEvent(
  'system.sdwan.peer.routing_started',
  1,
  z.object({ ...ids, daemon: z.string() }),
);
/** No routing daemon runs on a node of an ibgp network: it goes on with what the platform compiles. */
export const PeerRoutingStatic = defineEvent(
  'system.sdwan.peer.routing_static',
  1,
  z.object({ ...ids, reason: z.string(), package: z.string() }),
  { severity: 'warning' },
);

export const ibgpEvents = [PeerRoutingStarted, PeerRoutingStatic] as const;
