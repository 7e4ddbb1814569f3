import { z } from 'zod';
import { defineTool, resourceStatus } from '#tools';
import { VERSION_STATES } from '../domain/module/state.js';

const read = 'system.modules.read';
const write = 'system.modules.write';
const module_name = z
  .string()
  .min(1)
  .max(100)
  .describe('Module that the version is for; k3s-server and k3s-agent share the versions of k3s');
const version = z.string().trim().min(1).max(100).describe('As the program’s --version prints it, e.g. v1.31.2+k3s1');
const state = z.enum(VERSION_STATES);

const versionShape = z.object({
  id: z.string(),
  artifact: z.string(),
  modules: z.array(z.string()).describe('Modules that use it'),
  version: z.string(),
  state,
  next_state: state.nullable(),
  digest: z.string().nullable().describe('sha256:<hex> of the program; null when it is taken as it is on the node'),
  source: z.object({ kind: z.enum(['path', 'url', 'node']), path: z.string().optional(), url: z.string().optional() }),
  notes: z.string(),
  created_at: z.string(),
  state_since: z.string(),
  ...resourceStatus,
});
export type VersionOutput = z.input<typeof versionShape>;
const answer = z.object({ module_version: versionShape, superseded: z.string().nullable() });
const aliases = { module_id: 'module_name', name: 'module_name' };

export const createModuleVersion = defineTool({
  name: 'system_create_module_version',
  group: 'templates',
  summary: 'Register a version of a module',
  description:
    'A version is a program with its digest: a path on the nodes (sha256 optional), an https URL with its sha256, or on_node for ' +
    'whatever is installed. It starts as built; promote it to staging, blessed and live. A version never changes afterwards.',
  input: z.object({
    module_name,
    version,
    path: z.string().max(1_000).optional().describe('Absolute path on the node'),
    url: z.string().max(2_000).optional().describe('https URL that the agent downloads'),
    sha256: z.string().trim().toLowerCase().optional().describe('Hex sha256 of the program; required with url'),
    on_node: z.boolean().default(false).describe('Take what is already installed on the node'),
    notes: z.string().max(1_000).default(''),
  }),
  output: answer,
  permission: write,
  danger: 'change',
  aliases,
  examples: [
    {
      title: 'A K3s release that lies on the nodes',
      arguments: { module_name: 'k3s-server', version: 'v1.31.2+k3s1', path: '/opt/k3s/v1.31.2/k3s' },
    },
  ],
  cli: ['module', 'create-version'],
});

export const promoteModuleVersion = defineTool({
  name: 'system_promote_module_version',
  group: 'templates',
  summary: 'Promote a module version to its next state',
  description:
    'built → staging → blessed → live. A version in staging or blessed is installed only where a template pins it or an upgrade ' +
    'names it; the live one is what new clusters start with. Running clusters change by kubernetes_upgrade_cluster only.',
  input: z.object({ module_name, version, to: state.optional().describe('The state that it should have then') }),
  output: answer,
  permission: write,
  danger: 'change',
  aliases,
  examples: [{ title: 'Ready for nodes', arguments: { module_name: 'k3s-server', version: 'v1.31.2+k3s1' } }],
  cli: ['module', 'promote'],
});

export const retireModuleVersion = defineTool({
  name: 'system_retire_module_version',
  group: 'templates',
  summary: 'Retire a module version',
  description:
    'Nothing new installs a retired version; clusters that run it go on, and a rollback to it stays possible. Cannot be undone.',
  input: z.object({ module_name, version, reason: z.string().max(500).default('') }),
  output: answer,
  permission: write,
  danger: 'destroy',
  aliases,
  examples: [{ title: 'Never again', arguments: { module_name: 'k3s-server', version: 'v1.31.2+k3s1' } }],
  cli: ['module', 'retire'],
});

export const listModuleVersions = defineTool({
  name: 'system_list_module_versions',
  group: 'templates',
  summary: 'List the versions of modules',
  description: 'Versions with digest, source and state, newest last. Narrowed by module and state.',
  input: z.object({ module_name: module_name.optional(), state: state.optional() }),
  output: z.object({ module_versions: z.array(versionShape) }),
  permission: read,
  danger: 'read',
  aliases,
  examples: [{ title: 'Of one module', arguments: { module_name: 'k3s-server' } }],
  cli: ['module', 'versions'],
});
