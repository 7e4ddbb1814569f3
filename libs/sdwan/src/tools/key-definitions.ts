import { z } from 'zod';
import { defineTool } from '#tools';
import { keyRotation, networkId } from './shapes.js';

export const rotatePeerKey = defineTool({
  name: 'system_sdwan_rotate_peer_key',
  group: 'sdwan',
  summary: "Change a node's WireGuard key without an interruption",
  description:
    'The node makes a key (the private half never leaves it), every other peer makes room for it, and when all that are there have acknowledged that the ' +
    'node takes it up: a gap of some milliseconds. Waits until the change is at its end, or wait_seconds; it goes on by itself either way, see ' +
    'system_sdwan_get_peer. By itself it happens at the age of DROVER_KEY_ROTATION_DAYS. Operator devices follow with `drover vpn refresh`. ' +
    'With dry_run it only says what would be waited for.',
  input: z.object({
    peer_id: z.string().min(1).describe('Id of the peer, or the name of its instance'),
    network_id: networkId.optional(),
    dry_run: z.boolean().default(false).describe('Only say what would happen'),
    wait_seconds: z.number().int().min(0).max(60).default(10),
  }),
  output: z.object({
    peer_id: z.string(),
    state: z.enum(['planned', 'rotated', 'running']),
    public_key: z.string().describe('The key in use now'),
    key_since: z.string(),
    rotation: keyRotation.nullable(),
    held_by: z.array(z.string()).describe('Peer ids of the nodes that have to hold the new key first'),
    not_waited_for: z.array(z.string()).describe('Peer ids of nodes that nothing is heard of; they catch up'),
    devices: z
      .array(z.string())
      .describe('Names of operator devices that need the new configuration: `drover vpn refresh`'),
  }),
  permission: 'system.sdwan.write',
  danger: 'change',
  aliases: { id: 'peer_id', node_instance_id: 'peer_id', instance_id: 'peer_id' },
  examples: [{ title: 'A key that may have been seen', arguments: { peer_id: 'gw-1' } }],
  cli: ['peer', 'rotate-key'],
});
