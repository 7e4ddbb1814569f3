import { z } from 'zod';
import { resourceStatus } from '#tools';

const time = z.string().describe('ISO 8601');

export const nextCursor = z.string().nullable().describe('Give it as cursor to get the next page; null at the end');
export const page = {
  limit: z.number().int().min(1).max(500).default(50),
  cursor: z.string().optional().describe('next_cursor of the page before'),
};
export const networkId = z.string().min(1).describe('Id, handle or name of the network');
export const routingModeInput = z
  .enum(['mesh', 'hub', 'ibgp', 'static'])
  .describe(
    'mesh: peer to peer. hub (alias static): through a publicly reachable peer. ibgp: a mesh whose nodes run FRR (package frr) and learn pod ranges and virtual IPs from each other; a node without it goes on with static routes. Not given: mesh until a peer is publicly reachable, then hub',
  );

export const networkShape = z.object({
  id: z.string(),
  name: z.string(),
  handle: z.string().describe('Six hex digits; the interface on every node is wg-sdwan-HANDLE'),
  cidr_64: z.string(),
  cidr_v4: z.string(),
  routing_mode: z.enum(['mesh', 'hub', 'ibgp']).nullable().describe('null: automatic'),
  effective_mode: z.enum(['mesh', 'hub']),
  pod_subnet_prefix: z.string().nullable(),
  interface_name: z.string(),
  peer_count: z.number().int(),
  created_at: time,
  ...resourceStatus,
});

export const keyRotation = z.object({
  phase: z
    .enum(['requested', 'announced', 'ordered', 'switched'])
    .describe(
      'requested: the node is to make a key. announced: the others make room for it. ordered: all of them have, the node is to take it up. switched: the old key disappears everywhere',
    ),
  reason: z.enum(['operator', 'age']),
  since: time,
  waiting_for: z.array(z.object({ peer_id: z.string(), why: z.string() })),
});

/** What a node has said of the configuration that it was sent. */
export const receipt = {
  applied_generation: z
    .string()
    .nullable()
    .describe("Of the network's changes, counted, the last that its agent has applied; null: it has said nothing yet"),
  behind: z
    .boolean()
    .nullable()
    .describe('Whether it was sent a later one; null while its agent is not connected to this process'),
  last_error: z.string().nullable().describe('Why the node has not converged, in the words of its agent'),
};

export const peerShape = z.object({
  id: z.string(),
  network_id: z.string(),
  kind: z.enum(['node', 'device']),
  name: z.string(),
  node_instance_id: z.string().nullable(),
  host_address: z.string().describe('IPv6 overlay address'),
  assigned_address: z.string().describe('The same as a /128'),
  address_v4: z.string(),
  publicly_reachable: z.boolean(),
  endpoint_host: z.string().nullable(),
  endpoint_port: z.number().int().nullable(),
  effective_endpoint: z.string().nullable(),
  listen_port: z.number().int(),
  public_key: z.string().nullable(),
  status: z.enum(['pending', 'handshaking', 'connected', 'silent', 'removed']),
  pod_cidrs: z.array(z.string()).describe('Ranges of the pods on this node, as Kubernetes gave them'),
  lan_subnets: z.array(z.string()).describe('LANs behind this node that every other peer reaches through it'),
  lan_masquerade: z.boolean().describe("Whether packets into them carry the node's own address there"),
  key_since: time.nullable().describe('Since when the key is in use'),
  key_rotation: keyRotation.nullable().describe('A change of its key that is not at its end yet'),
  ...receipt,
  tags: z.array(z.string()),
  created_at: time,
  ...resourceStatus,
});

const lastMove = z.object({
  epoch: z.number().int(),
  reason: z.string(),
  from: z.string().nullable(),
  to: z.string(),
  at: time,
  acks_ms: z.record(z.string(), z.number()).describe("Milliseconds from the start to each peer's ack"),
  unacked: z.array(z.string()),
  outage_estimate_ms: z.number(),
});

export const moveShape = lastMove.extend({
  outcome: z.enum(['running', 'moved', 'failed']),
  started_at: time,
});

export const virtualIpShape = z.object({
  id: z.string(),
  name: z.string(),
  purpose: z.string(),
  network_id: z.string(),
  cluster_id: z.string().nullable(),
  address: z.string(),
  holders: z.array(z.string()).describe('Instance ids; at most one'),
  holder_peer_ids: z.array(z.string()),
  epoch: z.number().int(),
  state: z.enum(['reserved', 'active', 'moving', 'stranded', 'released']),
  candidates: z.array(z.object({ instance_id: z.string(), peer_id: z.string() })),
  last_move: lastMove.nullable(),
  next_action: z.string().nullable().describe('What an operator can do while nobody holds it'),
  created_at: time,
  ...resourceStatus,
});

export const assignmentShape = z.object({
  virtual_ip_id: z.string(),
  epoch: z.number().int(),
  instance_id: z.string(),
  peer_id: z.string(),
  reason: z.string(),
  assumed_at: time,
  released_at: time.nullable(),
});

export const grantShape = z.object({
  id: z.string(),
  network_id: z.string(),
  name: z.string(),
  tags: z.array(z.string()),
  status: z.enum(['pending', 'active', 'expired', 'revoked']),
  peer_id: z.string().nullable(),
  expires_at: time,
  created_at: time,
  created_by: z.string().nullable().describe('The operator whose device it lets in'),
  revoked_reason: z.string().nullable(),
  ...resourceStatus,
});
