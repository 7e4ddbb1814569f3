import { z } from 'zod';
import { defineTool } from '#tools';
import { nextCursor, nodeShape, page } from './shapes.js';

const read = 'system.nodes.read';
const write = 'system.nodes.write';
const node_id = z.string().min(1).describe('Id or name of the node');
const byId = { id: 'node_id', name: 'node_id', hostname: 'node_id' };

/** RFC 1123: the Kubernetes node bears the same name. */
const hostname = z
  .string()
  .max(63)
  .regex(
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/,
    'must be a DNS label: a-z, 0-9 and -, at most 63, for example k3s-server-1',
  );

export const createNode = defineTool({
  name: 'system_create_node',
  group: 'nodes',
  summary: 'Create a node from a template',
  description:
    'A node is the role and name of a machine; its instance is the machine itself (system_provision_instance). The hostname ' +
    'is unique in the account and becomes the name of the Kubernetes node.',
  input: z.object({
    hostname,
    node_template_id: z.string().min(1).describe('Id or name of the template'),
    description: z.string().max(1_000).default(''),
  }),
  output: z.object({ node: nodeShape }),
  permission: write,
  danger: 'change',
  aliases: { name: 'hostname', template_id: 'node_template_id' },
  examples: [{ title: 'First server', arguments: { hostname: 'k3s-server-1', node_template_id: 'k3s-server' } }],
  cli: ['node', 'create'],
});

export const listNodes = defineTool({
  name: 'system_list_nodes',
  group: 'nodes',
  summary: 'List nodes',
  description: 'Nodes of the account in the order they were made.',
  input: z.object({
    node_template_id: z.string().min(1).optional().describe('Only nodes of this template'),
    ...page,
  }),
  output: z.object({ nodes: z.array(nodeShape), next_cursor: nextCursor }),
  permission: read,
  danger: 'read',
  aliases: { template_id: 'node_template_id' },
  examples: [{ title: 'All of them', arguments: {} }],
  cli: ['node', 'list'],
});

export const getNode = defineTool({
  name: 'system_get_node',
  group: 'nodes',
  summary: 'Show a node',
  description: 'Answers the node and the id of the instance that lives now.',
  input: z.object({ node_id }),
  output: z.object({ node: nodeShape }),
  permission: read,
  danger: 'read',
  aliases: byId,
  examples: [{ title: 'By name', arguments: { node_id: 'k3s-server-1' } }],
  cli: ['node', 'get'],
});

export const deleteNode = defineTool({
  name: 'system_delete_node',
  group: 'nodes',
  summary: 'Delete a node that has no live instance',
  description: 'Refused while its instance is neither terminated nor forgotten. The name becomes free again.',
  input: z.object({ node_id }),
  output: z.object({ deleted: z.boolean(), node_id: z.string() }),
  permission: write,
  danger: 'destroy',
  aliases: byId,
  examples: [{ title: 'A node that never got a machine', arguments: { node_id: 'spare' } }],
  cli: ['node', 'delete'],
});
