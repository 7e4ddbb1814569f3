import { z } from 'zod';
import { defineTool } from '#tools';
import { instanceShape, joinShape, nextCursor, page } from './shapes.js';

const read = 'system.nodes.read';
const write = 'system.nodes.write';
const id = z.string().min(1).describe('Id of the instance, or name of its node');
const byId = { instance_id: 'id', node_instance_id: 'id', name: 'id' };
const answer = z.object({ instance: instanceShape });

export const provisionInstance = defineTool({
  name: 'system_provision_instance',
  group: 'nodes',
  summary: 'Get a machine for a node',
  description:
    "Makes an instance of the node. The driver is the call's, else the template's, else existing, which answers " +
    'join.command to run on a machine that is there already (the token works once, for 15 minutes). Other drivers make the ' +
    'machine themselves. The state goes provisioning → starting → running.',
  input: z.object({
    node_id: z.string().min(1).describe('Id or name of the node'),
    driver: z.string().min(1).optional(),
    cni_plugin: z.enum(['flannel', 'ovn_kubernetes']).optional().describe('Of the cluster that it bootstraps'),
  }),
  output: z.object({ provisioned: z.boolean(), instance: instanceShape, join: joinShape.optional() }),
  permission: write,
  danger: 'change',
  follow: {
    tool: 'system_get_instance',
    argument: 'id',
    id: 'instance.id',
    state: 'instance.state',
    phases: ['pending', 'provisioning', 'starting', 'running'],
    done: ['running'],
    failed: ['error', 'terminated', 'forgotten'],
    error: 'instance.last_error',
  },
  aliases: { id: 'node_id', hostname: 'node_id', name: 'node_id' },
  examples: [{ title: 'A machine that exists', arguments: { node_id: 'k3s-server-1' } }],
  cli: ['instance', 'provision'],
});

export const listInstances = defineTool({
  name: 'system_list_instances',
  group: 'nodes',
  summary: 'List instances',
  description: 'Instances of the account in the order they were made; those that are gone only when asked for.',
  input: z.object({
    state: z
      .enum([
        'pending',
        'provisioning',
        'starting',
        'running',
        'draining',
        'drained',
        'stopping',
        'lost',
        'error',
        'terminated',
        'forgotten',
      ])
      .optional(),
    node_id: z.string().min(1).optional(),
    include_gone: z.boolean().default(false).describe('Also terminated and forgotten ones'),
    ...page,
  }),
  output: z.object({ instances: z.array(instanceShape), next_cursor: nextCursor }),
  permission: read,
  danger: 'read',
  aliases: { status: 'state' },
  examples: [{ title: 'What runs', arguments: { state: 'running' } }],
  cli: ['instance', 'list'],
});

export const getInstance = defineTool({
  name: 'system_get_instance',
  group: 'nodes',
  summary: 'Show an instance',
  description: 'Its state with deadline, last error and next action, what its agent reported, and its modules.',
  input: z.object({ id }),
  output: answer,
  permission: read,
  danger: 'read',
  aliases: byId,
  examples: [{ title: 'By the name of its node', arguments: { id: 'k3s-server-1' } }],
  cli: ['instance', 'get'],
});

export const updateInstance = defineTool({
  name: 'system_update_instance',
  group: 'nodes',
  summary: 'Change the template of an instance',
  description: 'Modules of the old template are removed and those of the new one assigned.',
  input: z.object({ id, node_template_id: z.string().min(1).describe('Id or name of the template') }),
  output: answer,
  permission: write,
  danger: 'change',
  disruptive: true,
  aliases: { ...byId, template_id: 'node_template_id' },
  examples: [{ title: 'It becomes a worker', arguments: { id: 'k3s-server-1', node_template_id: 'k3s-worker' } }],
  cli: ['instance', 'update'],
});

export const drainInstance = defineTool({
  name: 'system_drain_instance',
  group: 'nodes',
  summary: 'Move everything off an instance',
  description:
    'Its virtual IPs move to other holders first, then its Kubernetes node is cordoned and its pods evicted, respecting ' +
    'disruption budgets, for at most timeout_seconds. The call answers at once; the state goes draining → drained.',
  input: z.object({ id, timeout_seconds: z.number().int().min(1).max(86_400).default(600) }),
  output: answer,
  permission: write,
  danger: 'change',
  disruptive: true,
  follow: {
    tool: 'system_get_instance',
    argument: 'id',
    id: 'instance.id',
    state: 'instance.state',
    phases: ['draining', 'drained'],
    done: ['drained'],
    failed: ['error', 'lost', 'terminated', 'forgotten'],
    error: 'instance.last_error',
  },
  aliases: byId,
  examples: [{ title: 'Before maintenance', arguments: { id: 'k3s-server-1' } }],
  cli: ['instance', 'drain'],
});

export const uncordonInstance = defineTool({
  name: 'system_uncordon_instance',
  group: 'nodes',
  summary: 'Put a drained instance back to work',
  description: 'It may hold virtual IPs and run pods again.',
  input: z.object({ id }),
  output: answer,
  permission: write,
  danger: 'change',
  aliases: byId,
  examples: [{ title: 'After maintenance', arguments: { id: 'k3s-server-1' } }],
  cli: ['instance', 'uncordon'],
});

export const terminateInstance = defineTool({
  name: 'system_terminate_instance',
  group: 'nodes',
  summary: 'End an instance for good',
  description:
    'A member of a cluster is drained first (terminated: false; the state goes draining → terminated): virtual IPs and pods ' +
    'move, its etcd member and its Node object are removed. force ends it now, and also where the cluster would lose its quorum. ' +
    'Its agent is told to wipe, its certificate is void, and a driver that made the machine takes it back.',
  input: z.object({
    id,
    force: z.boolean().default(false).describe('Now, without a drain'),
    timeout_seconds: z.number().int().min(1).max(86_400).default(600).describe('Of the drain'),
  }),
  output: z.object({ terminated: z.boolean(), instance: instanceShape }),
  permission: write,
  danger: 'destroy',
  follow: {
    tool: 'system_get_instance',
    argument: 'id',
    id: 'instance.id',
    state: 'instance.state',
    phases: ['stopping', 'terminated'],
    done: ['terminated'],
    failed: ['error'],
    error: 'instance.last_error',
  },
  aliases: byId,
  examples: [{ title: 'Its node is kept', arguments: { id: 'k3s-server-1' } }],
  cli: ['instance', 'terminate'],
});

export const forgetInstance = defineTool({
  name: 'system_forget_instance',
  group: 'nodes',
  summary: 'Give up an instance that will not come back',
  description:
    'For machines that are lost. Should its agent return, it is refused and told to wipe. A server of a cluster is not given up ' +
    'while etcd has no quorum: its member could not be removed, and etcd would wait for one that the platform no longer counts. ' +
    'force does so all the same, for what a restore makes anew.',
  input: z.object({
    id,
    force: z.boolean().default(false).describe('Also where etcd has no quorum, or would have none without it'),
  }),
  output: z.object({ forgotten: z.boolean(), instance: instanceShape }),
  permission: write,
  danger: 'destroy',
  aliases: byId,
  examples: [{ title: 'A machine that burnt', arguments: { id: 'k3s-server-1' } }],
  cli: ['instance', 'forget'],
});

export const createJoinToken = defineTool({
  name: 'system_create_join_token',
  group: 'nodes',
  summary: 'Make a join token for an instance',
  description:
    'The token enrols one agent as this instance, once, within ttl_seconds (15 minutes by default). It is shown ' +
    'in this answer only; the platform keeps its digest.',
  input: z.object({ id, ttl_seconds: z.number().int().min(30).max(86_400).default(900) }),
  output: z.object({ join: joinShape, token_id: z.string(), instance_id: z.string() }),
  permission: write,
  danger: 'change',
  aliases: byId,
  examples: [{ title: 'For a machine that is there', arguments: { id: 'k3s-server-1' } }],
  cli: ['instance', 'join-token'],
});

export const getSilentInstances = defineTool({
  name: 'system_get_silent_instances',
  group: 'nodes',
  summary: 'List instances whose agents are silent',
  description: 'Instances that are lost, or whose last beat is at least threshold_seconds ago.',
  input: z.object({ threshold_seconds: z.number().int().min(1).max(86_400).default(30) }),
  output: z.object({
    instances: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        node_id: z.string(),
        state: z.string(),
        silent_seconds: z.number().nullable().describe('Null when it has not been heard since the platform started'),
        state_since: z.string(),
      }),
    ),
  }),
  permission: read,
  danger: 'read',
  aliases: { minimum_seconds: 'threshold_seconds' },
  examples: [{ title: 'Silent for a minute', arguments: { threshold_seconds: 60 } }],
  cli: ['instance', 'silent'],
});
