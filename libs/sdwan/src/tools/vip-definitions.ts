import { z } from 'zod';
import { defineTool } from '#tools';
import { assignmentShape, grantShape, moveShape, networkId, nextCursor, page, virtualIpShape } from './shapes.js';

const read = 'system.sdwan.read';
const write = 'system.sdwan.write';
const vip = z.string().min(1).describe('Id, name or purpose, for example k3s_api_endpoint');
const vipAliases = { id: 'virtual_ip_id', name: 'virtual_ip_id' };

export const createVirtualIp = defineTool({
  name: 'system_sdwan_create_virtual_ip',
  group: 'sdwan',
  summary: 'Create a virtual IP',
  description:
    'An IPv6 address of the network that one of the candidates holds at a time. The first candidate becomes the holder. From two candidates on ' +
    'it moves by itself when its holder is lost or drained. Clusters make their own; this is for other uses.',
  input: z.object({
    network_id: networkId,
    name: z.string().min(1).max(63),
    purpose: z.string().min(1).max(63).default('operator'),
    candidates: z.array(z.string().min(1)).max(16).default([]).describe('Instances or peers, in order of preference'),
  }),
  output: z.object({ virtual_ip: virtualIpShape }),
  permission: write,
  danger: 'change',
  examples: [{ title: 'An address for a service', arguments: { network_id: 'k3s-prod-net', name: 'web' } }],
  cli: ['vip', 'create'],
});

export const getVirtualIp = defineTool({
  name: 'system_sdwan_get_virtual_ip',
  group: 'sdwan',
  summary: 'Show a virtual IP',
  description:
    'By id, name or purpose. Where several match, the refusal lists them. holders has one instance, or none while nobody holds it. moves are the ' +
    'newest 20, oldest first: from whom to whom at which epoch and why, after how many milliseconds each peer followed, and for how long the address ' +
    'may not have answered.',
  input: z.object({ virtual_ip_id: vip }),
  output: z.object({ virtual_ip: virtualIpShape.extend({ moves: z.array(moveShape) }) }),
  permission: read,
  danger: 'read',
  aliases: vipAliases,
  examples: [{ title: "A cluster's API endpoint", arguments: { name: 'k3s_api_endpoint' } }],
  cli: ['vip', 'get'],
});

export const listVirtualIps = defineTool({
  name: 'system_sdwan_list_virtual_ips',
  group: 'sdwan',
  summary: 'List virtual IPs',
  description: 'Released ones only with include_released.',
  input: z.object({ network_id: networkId.optional(), include_released: z.boolean().default(false), ...page }),
  output: z.object({ virtual_ips: z.array(virtualIpShape), next_cursor: nextCursor }),
  permission: read,
  danger: 'read',
  examples: [{ title: 'All of them', arguments: {} }],
  cli: ['vip', 'list'],
});

export const failoverVirtualIp = defineTool({
  name: 'system_sdwan_failover_virtual_ip',
  group: 'sdwan',
  summary: 'Move a virtual IP to another candidate',
  description:
    'To the named target or the best candidate, make before break: the new holder answers before the others are sent there, and the old one lets go ' +
    'last. Answers when the move has ended. With dry_run it only says who would take it.',
  input: z.object({
    virtual_ip_id: vip,
    target_instance_id: z.string().min(1).optional().describe('Id or name of an instance that is a candidate'),
    dry_run: z.boolean().default(false).describe('Only say who would take it'),
  }),
  output: z.object({
    virtual_ip: virtualIpShape,
    move: z.object({
      outcome: z.enum(['moved', 'already_there', 'planned', 'no_candidate', 'failed']),
      from: z.string().nullable(),
      to: z.string().nullable(),
      epoch: z.number().int(),
      duration_ms: z.number(),
      detail: z.string(),
    }),
  }),
  permission: write,
  danger: 'change',
  disruptive: true,
  follow: {
    tool: 'system_sdwan_get_virtual_ip',
    argument: 'virtual_ip_id',
    id: 'virtual_ip.id',
    state: 'virtual_ip.state',
    phases: ['moving', 'active'],
    done: ['active'],
    failed: ['stranded', 'released'],
  },
  aliases: {
    ...vipAliases,
    target: 'target_instance_id',
    target_peer_id: 'target_instance_id',
    instance_id: 'target_instance_id',
  },
  examples: [{ title: 'To the best candidate', arguments: { virtual_ip_id: 'k3s_api_endpoint' } }],
  cli: ['vip', 'failover'],
});

export const deleteVirtualIp = defineTool({
  name: 'system_sdwan_delete_virtual_ip',
  group: 'sdwan',
  summary: 'Release a virtual IP',
  description:
    "Its holder drops the address, which then rests for 24 h. A cluster's own is released by decommissioning the cluster.",
  input: z.object({ virtual_ip_id: vip }),
  output: z.object({ deleted: z.boolean(), virtual_ip_id: z.string() }),
  permission: write,
  danger: 'destroy',
  aliases: vipAliases,
  examples: [{ title: 'An address that nobody needs', arguments: { virtual_ip_id: 'k3s_api_endpoint' } }],
  cli: ['vip', 'delete'],
});

export const listVipAssignments = defineTool({
  name: 'system_sdwan_list_vip_assignments',
  group: 'sdwan',
  summary: 'Who has held a virtual IP, when and why',
  description: 'One entry an epoch, oldest first, the newest 50.',
  input: z.object({ virtual_ip_id: vip }),
  output: z.object({ assignments: z.array(assignmentShape) }),
  permission: read,
  danger: 'read',
  aliases: vipAliases,
  examples: [{ title: 'Who held it, and when', arguments: { virtual_ip_id: 'k3s_api_endpoint' } }],
  cli: ['vip', 'assignments'],
});

export const createAccessGrant = defineTool({
  name: 'system_sdwan_create_access_grant',
  group: 'sdwan',
  summary: "Let an operator's device into a network",
  description:
    'Answers a single-use bootstrap URL, shown once. The device makes its own key and POSTs {public_key, name} there; it gets its addresses, the ' +
    'peers and a token with which it follows later changes, among them moves of virtual IPs.',
  input: z.object({
    network_id: networkId,
    name: z.string().min(1).max(63).optional(),
    tags: z.array(z.string().min(1).max(63)).max(32).default([]),
    ttl_seconds: z.number().int().min(10).max(86_400).default(900),
    user_id: z.string().max(200).optional().describe('Accepted; the grant belongs to whoever has the URL'),
  }),
  output: z.object({ grant: grantShape, bootstrap_url: z.string(), token: z.string() }),
  permission: 'system.sdwan.grant',
  danger: 'change',
  examples: [{ title: 'For a workstation', arguments: { network_id: 'k3s-prod-net', tags: ['operator-ws'] } }],
  cli: ['grant', 'create'],
});

export const listAccessGrants = defineTool({
  name: 'system_sdwan_list_access_grants',
  group: 'sdwan',
  summary: 'List access grants',
  description: 'With the device peer that each one has become.',
  input: z.object({ network_id: networkId.optional(), ...page }),
  output: z.object({ grants: z.array(grantShape), next_cursor: nextCursor }),
  permission: read,
  danger: 'read',
  examples: [{ title: 'All of them', arguments: {} }],
  cli: ['grant', 'list'],
});

export const revokeAccessGrant = defineTool({
  name: 'system_sdwan_revoke_access_grant',
  group: 'sdwan',
  summary: 'Take a device out again',
  description: 'Every peer drops the device within the second. An unused bootstrap URL stops working.',
  input: z.object({
    grant_id: z.string().min(1).describe('Id or name of the grant'),
    reason: z.string().max(200).default('revoked by an operator'),
  }),
  output: z.object({ revoked: z.boolean(), grant: grantShape }),
  permission: 'system.sdwan.grant',
  danger: 'destroy',
  aliases: { id: 'grant_id', name: 'grant_id' },
  examples: [{ title: 'A laptop is lost', arguments: { grant_id: 'workstation' } }],
  cli: ['grant', 'revoke'],
});
