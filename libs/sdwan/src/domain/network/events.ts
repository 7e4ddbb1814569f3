import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const network_id = idSchema('sdwan_network');
export const routingMode = z.enum(['mesh', 'hub', 'ibgp']);
export type RoutingMode = z.infer<typeof routingMode>;

/** On the account's stream: prefixes and handles must not overlap within an account, and one append decides that. */
export const PrefixClaimed = defineEvent(
  'system.sdwan.prefix_claimed',
  1,
  z.object({
    network_id,
    /** Six hex digits; interface names hold 15 characters. */
    handle: z.string().regex(/^[0-9a-f]{6}$/),
    cidr_64: z.string(),
    cidr_v4: z.string(),
    pod_subnet_prefix: z.string().nullable(),
  }),
);
export const PrefixReleased = defineEvent('system.sdwan.prefix_released', 1, z.object({ network_id }));

/** On the same stream: the LANs behind a peer, in place of those it had before; none when it has none any more. */
export const LanClaimed = defineEvent(
  'system.sdwan.lan_claimed',
  1,
  z.object({ network_id, peer_id: idSchema('sdwan_peer'), subnets: z.array(z.string()) }),
);

export const NetworkCreated = defineEvent(
  'system.sdwan.network.created',
  1,
  z.object({
    network_id,
    name: z.string(),
    handle: z.string(),
    cidr_64: z.string(),
    cidr_v4: z.string(),
    routing_mode: routingMode.nullable(),
    pod_subnet_prefix: z.string().nullable(),
  }),
);
export const NetworkUpdated = defineEvent(
  'system.sdwan.network.updated',
  1,
  z.object({
    network_id,
    name: z.string().optional(),
    routing_mode: routingMode.nullable().optional(),
    pod_subnet_prefix: z.string().nullable().optional(),
  }),
);
export const NetworkDeleted = defineEvent(
  'system.sdwan.network.deleted',
  1,
  z.object({ network_id, name: z.string() }),
);
/**
 * `generation` counts the network's own changes. Version 1 had the position in the log there, which is shared with other
 * accounts and told of their pace; it is not shown any more.
 */
export const NetworkGenerationSettled = defineEvent(
  'system.sdwan.network.generation_settled',
  2,
  z.object({
    network_id,
    generation: z.string().nullable(),
    applied: z.number().int(),
    behind: z.array(z.string()),
    p50_ms: z.number(),
    p99_ms: z.number(),
  }),
  { upcasters: { 1: (data) => ({ ...data, generation: null }) } },
);

export const networkEvents = [
  PrefixClaimed,
  PrefixReleased,
  LanClaimed,
  NetworkCreated,
  NetworkUpdated,
  NetworkDeleted,
  NetworkGenerationSettled,
] as const;
