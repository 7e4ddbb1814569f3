import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const instance_id = idSchema('instance');
const peer_id = idSchema('sdwan_peer');

/** On `port_ledger-<uuid of the instance>`: each network of a node listens on a UDP port of its own. */
export const PortClaimed = defineEvent(
  'system.sdwan.port.claimed',
  1,
  z.object({ instance_id, peer_id, listen_port: z.number().int() }),
);
export const PortReleased = defineEvent('system.sdwan.port.released', 1, z.object({ instance_id, peer_id }));

export const portLedgerEvents = [PortClaimed, PortReleased] as const;
