import { z } from 'zod';
import { defineTool, resourceStatus } from '#tools';
import { grantShape, networkId, nextCursor, page } from './shapes.js';

const deviceShape = z.object({
  id: z.string().describe("The peer's id"),
  name: z.string(),
  network_id: z.string(),
  grant_id: z.string().nullable(),
  status: z.enum(['pending', 'handshaking', 'connected', 'silent', 'removed']),
  address_v6: z.string(),
  address_v4: z.string(),
  public_key: z.string().nullable(),
  tags: z.array(z.string()),
  last_handshake_at: z
    .string()
    .nullable()
    .describe('ISO 8601, from the reports of the nodes to this process; null: none heard of it since it started'),
  created_at: z.string(),
  ...resourceStatus,
});

export const issueUserDevice = defineTool({
  name: 'system_sdwan_issue_user_device',
  group: 'sdwan',
  summary: 'Let a device of your own into a network',
  description:
    'Answers a bootstrap URL for one device with this name and these tags: single use, shown once, 410 after use and after ttl_seconds. ' +
    '`drover vpn join -` on the device reads it, makes the key pair there (only the public key travels) and writes a WireGuard configuration; ' +
    '`drover vpn join --network NETWORK --name NAME` does both.',
  input: z.object({
    network_id: networkId,
    name: z
      .string()
      .min(1)
      .max(63)
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, dot, dash and underscore')
      .describe('What the device is called; the selector of firewall rules is peer:NAME'),
    tags: z.array(z.string().min(1).max(63)).max(32).default([]).describe('For selectors of firewall rules'),
    ttl_seconds: z.number().int().min(10).max(86_400).default(900).describe('How long the URL waits for its device'),
  }),
  output: z.object({ grant: grantShape, bootstrap_url: z.string(), token: z.string() }),
  permission: 'system.sdwan.grant',
  danger: 'change',
  examples: [{ title: 'A laptop', arguments: { network_id: 'k3s-prod-net', name: 'laptop', tags: ['ops'] } }],
  cli: ['vpn', 'issue'],
});

export const listUserDevices = defineTool({
  name: 'system_sdwan_list_user_devices',
  group: 'sdwan',
  summary: "List operators' devices",
  description:
    'Devices that have joined, with addresses and when a node last shook hands with them; revoked ones only with include_removed. ' +
    'Bootstrap URLs that still wait for their device are in system_sdwan_list_access_grants.',
  input: z.object({ network_id: networkId.optional(), include_removed: z.boolean().default(false), ...page }),
  output: z.object({ devices: z.array(deviceShape), next_cursor: nextCursor }),
  permission: 'system.sdwan.read',
  danger: 'read',
  examples: [{ title: 'All of them', arguments: {} }],
  cli: ['vpn', 'list'],
});

export const revokeUserDevice = defineTool({
  name: 'system_sdwan_revoke_user_device',
  group: 'sdwan',
  summary: "Take an operator's device out of its network",
  description:
    'Every node drops its key within the second, its configuration feed answers 410, and a bootstrap URL that was not used yet stops working. ' +
    'The device cannot come back with the same key: issue another.',
  input: z.object({
    device_id: z.string().min(1).describe('Id, name or address of the device, or id or name of its grant'),
    reason: z.string().max(200).default('revoked by an operator'),
  }),
  output: z.object({ revoked: z.boolean(), grant: grantShape, device: deviceShape.nullable() }),
  permission: 'system.sdwan.grant',
  danger: 'destroy',
  aliases: { id: 'device_id', name: 'device_id', peer_id: 'device_id', grant_id: 'device_id' },
  examples: [{ title: 'A laptop is lost', arguments: { device_id: 'workstation' } }],
  cli: ['vpn', 'revoke'],
});
