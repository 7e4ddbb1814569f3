import { z } from 'zod';
import { defineTool } from '#tools';
import { networkId, networkShape, nextCursor, page, peerShape, routingModeInput } from './shapes.js';

const read = 'system.sdwan.read';
const write = 'system.sdwan.write';
const podSubnetPrefix = z
  .string()
  .nullable()
  .describe('Prefix of the pods, for example 10.42.0.0/16; fixed once a cluster refers to the network. null: none');
const networkAliases = { id: 'network_id', routing_protocol: 'routing_mode' };
const networkName = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, dot, dash and underscore');

export const createNetwork = defineTool({
  name: 'system_sdwan_create_network',
  group: 'sdwan',
  summary: 'Create an overlay network',
  description:
    'The platform picks a /64 of the account and an IPv4 /20; both are unique in the account. routing_mode null is automatic: mesh until ' +
    'a peer is publicly reachable, then hub. `ibgp` is a mesh whose nodes run FRR (the Debian package frr) and learn pod ranges and virtual IPs from each other.',
  input: z.object({
    name: networkName,
    routing_mode: routingModeInput.nullable().optional(),
    pod_subnet_prefix: podSubnetPrefix.optional(),
    description: z.string().max(1_000).optional().describe('Accepted and not kept'),
  }),
  output: z.object({ network: networkShape }),
  permission: write,
  danger: 'change',
  aliases: { routing_protocol: 'routing_mode' },
  examples: [
    {
      title: 'For flannel over the overlay',
      arguments: { name: 'k3s-prod-net', pod_subnet_prefix: '10.42.0.0/16', routing_mode: 'ibgp' },
    },
  ],
  cli: ['network', 'create'],
});

export const getNetwork = defineTool({
  name: 'system_sdwan_get_network',
  group: 'sdwan',
  summary: 'Show an overlay network',
  description: 'By id, handle or name.',
  input: z.object({ network_id: networkId }),
  output: z.object({ network: networkShape }),
  permission: read,
  danger: 'read',
  aliases: { id: 'network_id', name: 'network_id' },
  examples: [{ title: 'By name', arguments: { network_id: 'k3s-prod-net' } }],
  cli: ['network', 'get'],
});

export const listNetworks = defineTool({
  name: 'system_sdwan_list_networks',
  group: 'sdwan',
  summary: 'List overlay networks',
  description: 'In the order they were made.',
  input: z.object({ ...page }),
  output: z.object({ networks: z.array(networkShape), next_cursor: nextCursor }),
  permission: read,
  danger: 'read',
  examples: [{ title: 'All of them', arguments: {} }],
  cli: ['network', 'list'],
});

export const updateNetwork = defineTool({
  name: 'system_sdwan_update_network',
  group: 'sdwan',
  summary: 'Change name, routing mode or pod prefix of a network',
  description:
    'pod_subnet_prefix must not overlap any network of the account. Once a cluster refers to the network it can only be set from none to ' +
    "exactly the cluster's pod CIDR; K3s on the nodes is then restarted with the new flags (30 to 60 s of pod network outage a node).",
  input: z.object({
    network_id: networkId,
    name: networkName.optional(),
    routing_mode: routingModeInput.nullable().optional(),
    pod_subnet_prefix: podSubnetPrefix.optional(),
  }),
  output: z.object({ network: networkShape }),
  permission: write,
  danger: 'change',
  disruptive: true,
  aliases: networkAliases,
  examples: [{ title: 'Through a hub', arguments: { network_id: 'k3s-prod-net', routing_mode: 'hub' } }],
  cli: ['network', 'update'],
});

export const updateRoutingMode = defineTool({
  name: 'system_sdwan_update_network_routing_mode',
  group: 'sdwan',
  summary: 'Change how peers of a network reach each other',
  description:
    'null goes back to automatic. Every peer gets its new table within the second; established sessions stay.',
  input: z.object({ network_id: networkId, routing_mode: routingModeInput.nullable() }),
  output: z.object({ network: networkShape }),
  permission: write,
  danger: 'change',
  disruptive: true,
  aliases: networkAliases,
  examples: [{ title: 'Back to automatic', arguments: { network_id: 'k3s-prod-net', routing_mode: null } }],
  cli: ['network', 'routing-mode'],
});

export const deleteNetwork = defineTool({
  name: 'system_sdwan_delete_network',
  group: 'sdwan',
  summary: 'Delete a network without peers and virtual IPs',
  description: 'Refused while peers or virtual IPs are left; the refusal names them. The prefixes become free again.',
  input: z.object({ network_id: networkId }),
  output: z.object({ deleted: z.boolean(), network_id: z.string() }),
  permission: write,
  danger: 'destroy',
  aliases: { id: 'network_id', name: 'network_id' },
  examples: [{ title: 'One that nobody uses', arguments: { network_id: 'unused-net' } }],
  cli: ['network', 'delete'],
});

const peerId = z.string().min(1).describe('Id of the peer, or the name of its instance or device');

const endpointHost = z
  .string()
  .min(1)
  .max(300)
  .describe(
    'Address or host name under which others reach it; the nodes resolve a name themselves, again when nobody answers there',
  );
const endpointPort = z.number().int().min(1).max(65_535);
const lanSubnets = z
  .array(z.string().max(64))
  .max(64)
  .describe(
    'LANs behind the node, for example 192.168.10.0/24: every other peer reaches them through it. No prefix of the account may overlap. ' +
      "Machines there need a route to the network's ranges by way of the node, unless lan_masquerade is set",
  );
const lanMasquerade = z
  .boolean()
  .describe("Packets into the LANs get the node's own address there, so that machines need no route back");

export const attachPeer = defineTool({
  name: 'system_sdwan_attach_peer',
  group: 'sdwan',
  summary: 'Attach an instance to a network',
  description:
    'The instance gets an IPv6 and an IPv4 overlay address at once; its agent makes the key (only the public half leaves the node) and sets up ' +
    'WireGuard. Attaching twice answers the same peer.',
  input: z.object({
    network_id: networkId,
    node_instance_id: z.string().min(1).describe('Id or name of the instance'),
    publicly_reachable: z.boolean().optional().describe('Others can reach it at its endpoint: it becomes a hub'),
    endpoint_host: endpointHost.optional(),
    endpoint_port: endpointPort.optional(),
    listen_port: z
      .number()
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('UDP; unless given the first free one from 51820 on, each network of a node has its own'),
    tags: z.array(z.string().min(1).max(63)).max(32).optional(),
    lan_subnets: lanSubnets.optional(),
    lan_masquerade: lanMasquerade.optional(),
  }),
  output: z.object({ attached: z.boolean(), peer: peerShape }),
  permission: write,
  danger: 'change',
  aliases: { instance_id: 'node_instance_id', endpoint_host_v4: 'endpoint_host', endpoint_host_v6: 'endpoint_host' },
  examples: [
    { title: 'A node joins the network', arguments: { network_id: 'k3s-prod-net', node_instance_id: 'k3s-server-1' } },
  ],
  cli: ['peer', 'attach'],
});

export const updatePeer = defineTool({
  name: 'system_sdwan_update_peer',
  group: 'sdwan',
  summary: "Change a peer's endpoint or the LANs behind it",
  description:
    'What is left out stays; lan_subnets replaces the whole list, [] takes all away. Every peer has its new table within the second, and established ' +
    'sessions stay. For nodes only.',
  input: z.object({
    peer_id: peerId,
    network_id: networkId.optional(),
    endpoint_host: endpointHost.nullable().optional(),
    endpoint_port: endpointPort.nullable().optional(),
    lan_subnets: lanSubnets.optional(),
    lan_masquerade: lanMasquerade.optional(),
  }),
  output: z.object({ peer: peerShape }),
  permission: write,
  danger: 'change',
  aliases: { id: 'peer_id', node_instance_id: 'peer_id', instance_id: 'peer_id' },
  examples: [
    { title: 'The office behind a gateway', arguments: { peer_id: 'gw-1', lan_subnets: ['192.168.10.0/24'] } },
  ],
  cli: ['peer', 'update'],
});

export const detachPeer = defineTool({
  name: 'system_sdwan_detach_peer',
  group: 'sdwan',
  summary: 'Take a peer out of its network',
  description:
    'Virtual IPs that it holds are moved away first where another candidate is there. Its address rests for 24 h.',
  input: z.object({ peer_id: peerId, network_id: networkId.optional() }),
  output: z.object({ detached: z.boolean(), peer_id: z.string() }),
  permission: write,
  danger: 'destroy',
  aliases: { id: 'peer_id', node_instance_id: 'peer_id', instance_id: 'peer_id' },
  examples: [{ title: 'Out of the network', arguments: { peer_id: 'gw-1' } }],
  cli: ['peer', 'detach'],
});

export const listPeers = defineTool({
  name: 'system_sdwan_list_peers',
  group: 'sdwan',
  summary: 'List peers',
  description: 'Nodes and operator devices; removed ones only with include_removed.',
  input: z.object({ network_id: networkId.optional(), include_removed: z.boolean().default(false), ...page }),
  output: z.object({ peers: z.array(peerShape), next_cursor: nextCursor }),
  permission: read,
  danger: 'read',
  examples: [{ title: 'Of one network', arguments: { network_id: 'k3s-prod-net' } }],
  cli: ['peer', 'list'],
});

export const getPeer = defineTool({
  name: 'system_sdwan_get_peer',
  group: 'sdwan',
  summary: 'Show a peer',
  description: 'By id, or by the name or id of its instance where that is in one network only.',
  input: z.object({ peer_id: peerId, network_id: networkId.optional() }),
  output: z.object({ peer: peerShape }),
  permission: read,
  danger: 'read',
  aliases: { id: 'peer_id', node_instance_id: 'peer_id', instance_id: 'peer_id' },
  examples: [{ title: 'By the name of its node', arguments: { peer_id: 'gw-1' } }],
  cli: ['peer', 'get'],
});
