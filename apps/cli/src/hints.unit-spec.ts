import { inCommands } from './hints.js';
import type { Tool } from './tool.js';

const tool = (name: string, cli: readonly [string, string] | undefined, required: readonly string[] = []): Tool => ({
  ...{ name, group: 'nodes', summary: '', description: '', danger: 'change', aliases: {}, examples: [] },
  ...(cli === undefined ? {} : { cli }),
  input_schema: { required },
});
const TOOLS = [
  tool('system_list_nodes', ['node', 'list']),
  tool('system_terminate_instance', ['instance', 'terminate'], ['id']),
  tool('system_sdwan_attach_peer', ['peer', 'attach'], ['network_id', 'node_instance_id']),
  tool('system_assign_module_to_template', ['template', 'assign-module'], ['template_id', 'module_name']),
  tool('what_if', undefined, ['tool']),
];
const said = (hint: string, called: object = {}) =>
  inCommands(hint, TOOLS, 'system_terminate_instance', called as Record<string, unknown>);

it.each([
  ['system_list_nodes shows the nodes of this account', {}, '`drover node list` shows the nodes of this account'],
  [
    'terminate it first (system_terminate_instance)',
    { id: 'a b' },
    "terminate it first (`drover instance terminate id='a b'`)",
  ],
  ['terminate it first (system_terminate_instance)', {}, 'terminate it first (`drover instance terminate id=ID`)'],
  [
    'system_sdwan_attach_peer({network_id, node_instance_id})',
    { network_id: 'prod' },
    '`drover peer attach network_id=prod node_instance_id=NODE_INSTANCE_ID`',
  ],
  [
    'system_assign_module_to_template({template_id, module_name: "docker-engine"}) on its template',
    {},
    '`drover template assign-module template_id=TEMPLATE_ID module_name=docker-engine` on its template',
  ],
  [
    'call system_terminate_instance with the same arguments and dry_run: true, look at what would follow, then repeat with its plan_id',
    { id: 'x', force: true },
    'call `drover instance terminate id=x force=true --dry-run`, look at what would follow, then repeat with its plan_id',
  ],
  // Not in this token's list: by its name it can be called all the same.
  ['kubernetes_get_cluster says how it is', {}, '`drover tool kubernetes_get_cluster` says how it is'],
  ['use a new idempotency_key', {}, 'use a new idempotency_key'],
  ['a human runs: `drover tool system_list_nodes`', {}, 'a human runs: `drover tool system_list_nodes`'],
])('%s', (hint, called, command) => {
  expect(said(hint, called)).toBe(command);
});
