import { z } from 'zod';
import { defineTool } from '#tools';
import { assignmentShape, nextCursor, page, templateShape } from './shapes.js';

const read = 'system.templates.read';
const write = 'system.templates.write';
const kubernetes = 'system.kubernetes_provision';
const template_id = z.string().min(1).describe('Id or name of the template');
const byId = { id: 'template_id', name: 'template_id' };
const name = z.string().trim().min(1).max(100);
const driver = z.string().min(1).nullable().optional().describe('Provisioning driver of its nodes; null for none');
const answer = z.object({ template: templateShape });

export const createTemplate = defineTool({
  name: 'system_create_template',
  group: 'templates',
  summary: 'Create a template',
  description: 'A template lists the modules that the nodes made from it carry. Its name is unique in the account.',
  input: z.object({ name, description: z.string().max(1_000).default(''), driver }),
  output: answer,
  permission: write,
  danger: 'change',
  examples: [{ title: 'Templates for K3s servers', arguments: { name: 'k3s-server' } }],
  cli: ['template', 'create'],
});

export const getTemplate = defineTool({
  name: 'system_get_template',
  group: 'templates',
  summary: 'Show a template with its module assignments',
  description: 'Answers the template, its module assignments with their config, and how many nodes use it.',
  input: z.object({ template_id }),
  output: answer,
  permission: read,
  danger: 'read',
  aliases: byId,
  examples: [{ title: 'Its modules', arguments: { template_id: 'k3s-server' } }],
  cli: ['template', 'get'],
});

export const listTemplates = defineTool({
  name: 'system_list_templates',
  group: 'templates',
  summary: 'List templates',
  description: 'Templates of the account in the order they were made.',
  input: z.object({ ...page }),
  output: z.object({ templates: z.array(templateShape), next_cursor: nextCursor }),
  permission: read,
  danger: 'read',
  examples: [{ title: 'All of them', arguments: {} }],
  cli: ['template', 'list'],
});

export const updateTemplate = defineTool({
  name: 'system_update_template',
  group: 'templates',
  summary: 'Rename or describe a template, or set its driver',
  description: 'Changes what is given and leaves the rest. Module assignments have tools of their own.',
  input: z.object({
    template_id,
    name: name.optional(),
    description: z.string().max(1_000).optional(),
    driver,
  }),
  output: answer,
  permission: write,
  danger: 'change',
  aliases: { id: 'template_id' },
  examples: [
    { title: 'Another description', arguments: { template_id: 'k3s-server', description: 'Servers of production' } },
  ],
  cli: ['template', 'update'],
});

export const deleteTemplate = defineTool({
  name: 'system_delete_template',
  group: 'templates',
  summary: 'Delete a template that no node uses',
  description: 'Refused while nodes use it; the refusal names them.',
  input: z.object({ template_id }),
  output: z.object({ deleted: z.boolean(), template_id: z.string() }),
  permission: write,
  danger: 'destroy',
  aliases: byId,
  examples: [{ title: 'One that no node uses', arguments: { template_id: 'unused' } }],
  cli: ['template', 'delete'],
});

export const assignModuleToTemplate = defineTool({
  name: 'system_assign_module_to_template',
  group: 'templates',
  summary: 'Assign a module to a template and so to all its instances',
  description:
    'Every instance of the template gets the module; agents pick it up at once. The same assignment again changes nothing, ' +
    'another config updates it, and a suspended assignment is resumed. One k3s-server assignment makes one cluster; ' +
    'config.target_cluster_id names the cluster that a k3s-agent joins (mandatory with several clusters). ' +
    'config.datastore_endpoint of k3s-server (postgres://…, mysql://…, https://…) puts the cluster on an external datastore; ' +
    'it goes to the secret store, and the assignment shows a reference.',
  input: z.object({
    template_id,
    module_name: z.string().min(1),
    config: z.record(z.string(), z.unknown()).optional(),
    metadata: z.record(z.string(), z.unknown()).optional().describe('Merged into config; config wins'),
    priority: z.number().int().min(0).max(1_000).optional().describe('Lower is carried out first; default 100'),
    enabled: z.boolean().optional(),
  }),
  output: z.object({ assigned: z.boolean(), assignment: assignmentShape, template: templateShape }),
  permission: kubernetes,
  danger: 'change',
  aliases: { id: 'template_id', module_id: 'module_name', node_template_id: 'template_id' },
  examples: [
    { title: 'Bootstrap a cluster', arguments: { template_id: 'k3s-server', module_name: 'k3s-server' } },
    {
      title: 'Workers of one cluster',
      arguments: {
        template_id: 'k3s-worker',
        module_name: 'k3s-agent',
        config: { target_cluster_id: 'k3s-cluster-1' },
      },
    },
  ],
  cli: ['template', 'assign-module'],
});

export const unassignModuleFromTemplate = defineTool({
  name: 'system_unassign_module_from_template',
  group: 'templates',
  summary: 'Take a module away from a template and all its instances',
  description: 'Agents stop and remove the module. Assigning it again later is a new assignment.',
  input: z.object({ template_id, module_name: z.string().min(1) }),
  output: z.object({ unassigned: z.boolean(), template: templateShape }),
  permission: kubernetes,
  danger: 'destroy',
  disruptive: true,
  aliases: { id: 'template_id', module_id: 'module_name', node_template_id: 'template_id' },
  examples: [{ title: 'No servers any more', arguments: { template_id: 'k3s-server', module_name: 'k3s-server' } }],
  cli: ['template', 'unassign-module'],
});

export const listModules = defineTool({
  name: 'system_list_modules',
  group: 'templates',
  summary: 'List the modules that can be assigned',
  description: 'What the agent knows how to install and keep running.',
  input: z.object({}),
  output: z.object({
    modules: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        family: z.string(),
        summary: z.string(),
        promotion_state: z.string(),
        requires_peer: z.boolean(),
      }),
    ),
  }),
  permission: read,
  danger: 'read',
  examples: [{ title: 'All there are', arguments: {} }],
  cli: ['module', 'list'],
});
