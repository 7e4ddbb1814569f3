import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const virtual_ip_id = idSchema('virtual_ip');
const instance = idSchema('instance');
const member = z.object({ instance_id: instance, peer_id: idSchema('sdwan_peer') });
export const moveReason = z.enum(['drain', 'lease_lost', 'health', 'operator', 'holder_removed']);
export type MoveReason = z.infer<typeof moveReason>;

/** The address exists and may stand in certificates; nobody holds it yet. */
export const VirtualIpReserved = defineEvent(
  'system.sdwan.virtual_ip.reserved',
  1,
  z.object({
    virtual_ip_id,
    network_id: idSchema('sdwan_network'),
    name: z.string(),
    purpose: z.string(),
    address: z.string(),
    cluster_id: idSchema('cluster').nullable(),
  }),
);
/** Who may hold it, in the operator's order of preference. */
export const VirtualIpCandidatesChanged = defineEvent(
  'system.sdwan.virtual_ip.candidates_changed',
  1,
  z.object({ virtual_ip_id, candidates: z.array(member) }),
);
export const VirtualIpAllocated = defineEvent(
  'system.sdwan.virtual_ip.allocated',
  1,
  z.object({
    virtual_ip_id,
    vip: z.string(),
    purpose: z.string(),
    network_id: idSchema('sdwan_network'),
    holder: member,
    epoch: z.number().int(),
  }),
);
export const VirtualIpMoveStarted = defineEvent(
  'system.sdwan.virtual_ip.move_started',
  1,
  z.object({
    virtual_ip_id,
    vip: z.string(),
    epoch: z.number().int(),
    from: member.nullable(),
    to: member,
    reason: moveReason,
  }),
  { severity: 'warning' },
);
export const VirtualIpMoved = defineEvent(
  'system.sdwan.virtual_ip.moved',
  1,
  z.object({
    virtual_ip_id,
    vip: z.string(),
    epoch: z.number().int(),
    from: member.nullable(),
    to: member,
    reason: moveReason,
    /** Milliseconds from move_started to each peer's ack. */
    acks_ms: z.record(z.string(), z.number()),
    unacked: z.array(z.string()),
    /** Milliseconds for which the VIP may not have answered. */
    outage_estimate_ms: z.number(),
  }),
);
export const VirtualIpMoveFailed = defineEvent(
  'system.sdwan.virtual_ip.move_failed',
  1,
  z.object({ virtual_ip_id, vip: z.string(), epoch: z.number().int(), to: member, reason: z.string() }),
  { severity: 'high' },
);
export const VirtualIpStranded = defineEvent(
  'system.sdwan.virtual_ip.stranded',
  1,
  z.object({
    virtual_ip_id,
    vip: z.string(),
    epoch: z.number().int(),
    last_holder: member.nullable(),
    reason: z.string(),
    next_action: z.string().optional(),
  }),
  { severity: 'critical' },
);
export const VirtualIpReleased = defineEvent(
  'system.sdwan.virtual_ip.released',
  1,
  z.object({ virtual_ip_id, vip: z.string(), reason: z.string() }),
);

export const virtualIpEvents = [
  VirtualIpReserved,
  VirtualIpCandidatesChanged,
  VirtualIpAllocated,
  VirtualIpMoveStarted,
  VirtualIpMoved,
  VirtualIpMoveFailed,
  VirtualIpStranded,
  VirtualIpReleased,
] as const;
