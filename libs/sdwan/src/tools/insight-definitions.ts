import { z } from 'zod';
import { defineTool } from '#tools';
import { routingShape } from './routing-view.js';
import { networkId, receipt } from './shapes.js';

const read = 'system.sdwan.read';
const aliases = { id: 'network_id', name: 'network_id' };
const at = z.iso
  .datetime()
  .optional()
  .describe('As it was then, ISO 8601; what nodes had applied or learned is not kept');
const route = z.object({ prefix: z.string(), kind: z.enum(['device', 'unreachable']), dev: z.string().nullable() });

export const getTopology = defineTool({
  name: 'system_sdwan_get_topology',
  group: 'sdwan',
  summary: 'Who reaches whom in a network, and how',
  description:
    'Every pair is direct, via a hub, or unreachable with the reason (two peers behind NAT without a hub, a key not announced yet). Of the reachable ' +
    'pairs at most 2,000 are listed; all are counted.',
  input: z.object({ network_id: networkId, at }),
  output: z.object({
    network_id: z.string(),
    effective_mode: z.enum(['mesh', 'hub']),
    hubs: z.array(z.string()).describe('Peer ids, the primary first'),
    peers: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        kind: z.enum(['node', 'device']),
        role: z.enum(['hub', 'spoke', 'peer']),
        endpoints: z.array(z.string()),
        lan_subnets: z.array(z.string()),
        ...receipt,
      }),
    ),
    links: z.array(
      z.object({
        a: z.string(),
        b: z.string(),
        kind: z.enum(['direct', 'via_hub', 'unreachable']),
        via: z.string().nullable(),
        reason: z.string().nullable(),
      }),
    ),
    unreachable: z.number().int(),
    truncated: z.boolean(),
  }),
  permission: read,
  danger: 'read',
  aliases,
  examples: [{ title: 'Who talks to whom', arguments: { network_id: 'k3s-prod-net' } }],
  cli: ['network', 'topology'],
});

export const getRoutingSummary = defineTool({
  name: 'system_sdwan_get_routing_summary',
  group: 'sdwan',
  summary: 'Prefixes of a network and who carries them',
  description:
    'The network, its peers, pods and virtual IPs, in an ibgp network with the sessions of the routing daemons and what they learned; never another network.',
  input: z.object({ network_id: networkId, at }),
  output: z.object({
    network_id: z.string(),
    routing_mode: z.enum(['mesh', 'hub', 'ibgp']).nullable(),
    effective_mode: z.enum(['mesh', 'hub']),
    prefixes: z.array(
      z.object({
        prefix: z.string(),
        kind: z.enum(['network', 'peer', 'pods', 'lan', 'virtual_ip']),
        peer_id: z.string().nullable(),
        name: z.string(),
      }),
    ),
    ibgp: routingShape
      .nullable()
      .describe('In ibgp networks: BGP sessions and what was learned, node by node, as the nodes last said'),
    virtual_ips: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        address: z.string(),
        holder: z.string().nullable(),
        epoch: z.number().int(),
        state: z.string(),
        last_word: z.string().nullable(),
      }),
    ),
  }),
  permission: read,
  danger: 'read',
  aliases,
  examples: [{ title: 'Which way traffic goes', arguments: { network_id: 'k3s-prod-net' } }],
  cli: ['network', 'routes'],
});

export const previewPeerConfig = defineTool({
  name: 'system_sdwan_preview_peer_config',
  group: 'sdwan',
  summary: "A peer's WireGuard configuration as the platform compiles it",
  description:
    'Now, or as of a time in the past (`at`, ISO 8601). Private keys never leave the nodes, so there are none in it. The hash covers everything else shown.',
  input: z.object({ peer_id: z.string().min(1), at: z.iso.datetime().optional(), network_id: networkId.optional() }),
  output: z.object({
    interface: z.object({
      name: z.string(),
      addresses: z.array(z.string()),
      listen_port: z.number().int(),
      mtu: z.number().int(),
    }),
    peers: z.array(
      z.object({
        peer_id: z.string(),
        public_key: z.string(),
        next_public_key: z.string().nullable().describe('The key that it is about to take up'),
        endpoint: z.string().nullable(),
        endpoints: z.array(z.string()),
        allowed_ips: z.array(z.string()),
        persistent_keepalive: z.number().int(),
      }),
    ),
    routes: z.array(route),
    vips_held: z.array(z.object({ id: z.string(), address: z.string(), epoch: z.number().int() })),
    firewall: z.object({ policy: z.enum(['accept', 'drop']), rules: z.array(z.unknown()) }),
    frr: z
      .object({
        role: z.enum(['peer', 'client', 'reflector']),
        neighbors: z.array(z.string()).describe('Peers that it keeps a BGP session with'),
        bgpd: z.string(),
        bfdd: z.string(),
      })
      .nullable()
      .describe(
        'In ibgp networks: what its routing daemons are configured with. The node itself adds the virtual IPs that it holds. Sessions run inside WireGuard and need no password',
      ),
    generation: z.string().describe('Another one whenever the configuration is another; opaque'),
    hash: z.string(),
  }),
  permission: read,
  danger: 'read',
  aliases: { id: 'peer_id' },
  examples: [{ title: 'What a node is told', arguments: { peer_id: 'gw-1' } }],
  cli: ['peer', 'config'],
});
