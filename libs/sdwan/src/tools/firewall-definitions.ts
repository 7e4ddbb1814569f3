import { z } from 'zod';
import { defineTool, resourceStatus } from '#tools';
import { networkId, nextCursor, page } from './shapes.js';

const read = 'system.sdwan.read';
const write = 'system.sdwan.write';

const selector = z
  .string()
  .max(200)
  .regex(
    /^(all|(peer|tag|cidr|vip):.+)$/,
    'must be all, peer:NAME, tag:TAG, cidr:PREFIX or vip:NAME, for example tag:operator-ws',
  )
  .describe('all, peer:NAME, tag:TAG, cidr:PREFIX or vip:NAME');
const portRange = z
  .string()
  .regex(/^\d{1,5}(-\d{1,5})?$/, 'must be a port or a range of ports, for example 6443 or 8000-8100')
  .describe('Destination port or range, with protocol tcp or udp');

const ruleInput = {
  priority: z.number().int().min(0).max(65_535).describe('Lower is looked at first; of equal ones the older'),
  action: z.enum(['accept', 'drop']),
  direction: z
    .enum(['ingress', 'egress'])
    .describe('ingress: what a node receives over the overlay; egress: what it sends into it'),
  protocol: z.enum(['any', 'tcp', 'udp', 'icmp']),
  src_selector: selector,
  dst_selector: selector,
  port_range: portRange.nullable(),
  enabled: z.boolean(),
};

const ruleShape = z.object({
  id: z.string(),
  network_id: z.string(),
  name: z.string(),
  ...ruleInput,
  src_selector: z.string(),
  dst_selector: z.string(),
  port_range: z.string().nullable(),
  resolves: z
    .object({ source: z.array(z.string()).nullable(), destination: z.array(z.string()).nullable() })
    .describe('Prefixes that the selectors stand for now; null for everything, empty for nothing'),
  created_at: z.string(),
  ...resourceStatus,
});

const ruleId = z.string().min(1).describe('Id or name of the rule');
const ruleName = z.string().min(1).max(63);

export const createFirewallRule = defineTool({
  name: 'system_sdwan_create_firewall_rule',
  group: 'sdwan',
  summary: 'Add a firewall rule to a network',
  description:
    'Every node enforces it with nftables, in one atomic change. The first rule that matches decides; what no rule matches is accepted. Replies to ' +
    'connections that were allowed pass. A selector that stands for nothing (no peer has the tag) matches nothing.',
  input: z.object({
    network_id: networkId,
    name: ruleName,
    action: ruleInput.action,
    priority: ruleInput.priority.default(1_000),
    direction: ruleInput.direction.default('ingress'),
    protocol: ruleInput.protocol.default('any'),
    src_selector: selector.default('all'),
    dst_selector: selector.default('all'),
    port_range: portRange.optional(),
    enabled: z.boolean().default(true),
  }),
  output: z.object({ firewall_rule: ruleShape }),
  permission: write,
  danger: 'change',
  disruptive: true,
  aliases: { network: 'network_id', source: 'src_selector', destination: 'dst_selector', port: 'port_range' },
  examples: [
    {
      title: 'Nobody reaches the Kubernetes API …',
      arguments: {
        network_id: 'tenant-b',
        name: 'api-closed',
        action: 'drop',
        protocol: 'tcp',
        port_range: '6443',
        dst_selector: 'vip:k3s_api_endpoint',
      },
    },
    {
      title: '… but the operators',
      arguments: {
        network_id: 'tenant-b',
        name: 'api-for-operators',
        action: 'accept',
        priority: 100,
        protocol: 'tcp',
        port_range: '6443',
        src_selector: 'tag:operator-ws',
        dst_selector: 'vip:k3s_api_endpoint',
      },
    },
  ],
  cli: ['firewall', 'create'],
});

export const listFirewallRules = defineTool({
  name: 'system_sdwan_list_firewall_rules',
  group: 'sdwan',
  summary: 'List firewall rules',
  description: 'With what their selectors stand for now.',
  input: z.object({ network_id: networkId.optional(), ...page }),
  output: z.object({ firewall_rules: z.array(ruleShape), next_cursor: nextCursor }),
  permission: read,
  danger: 'read',
  examples: [{ title: 'Of one network', arguments: { network_id: 'k3s-prod-net' } }],
  cli: ['firewall', 'list'],
});

export const updateFirewallRule = defineTool({
  name: 'system_sdwan_update_firewall_rule',
  group: 'sdwan',
  summary: 'Change a firewall rule',
  description: 'Only what is given changes; port_range: null means all ports again.',
  input: z.object({
    firewall_rule_id: ruleId,
    name: ruleName.optional(),
    priority: ruleInput.priority.optional(),
    action: ruleInput.action.optional(),
    direction: ruleInput.direction.optional(),
    protocol: ruleInput.protocol.optional(),
    src_selector: selector.optional(),
    dst_selector: selector.optional(),
    port_range: portRange.nullable().optional(),
    enabled: z.boolean().optional(),
  }),
  output: z.object({ firewall_rule: ruleShape }),
  permission: write,
  danger: 'change',
  disruptive: true,
  aliases: { id: 'firewall_rule_id', rule_id: 'firewall_rule_id' },
  examples: [{ title: 'Later in the order', arguments: { firewall_rule_id: 'closed', priority: 500 } }],
  cli: ['firewall', 'update'],
});

export const deleteFirewallRule = defineTool({
  name: 'system_sdwan_delete_firewall_rule',
  group: 'sdwan',
  summary: 'Delete a firewall rule',
  description: 'Nodes stop to enforce it at once.',
  input: z.object({ firewall_rule_id: ruleId }),
  output: z.object({ deleted: z.boolean(), firewall_rule_id: z.string() }),
  permission: write,
  danger: 'destroy',
  aliases: { id: 'firewall_rule_id', rule_id: 'firewall_rule_id', name: 'firewall_rule_id' },
  examples: [{ title: 'Open again', arguments: { firewall_rule_id: 'closed' } }],
  cli: ['firewall', 'delete'],
});
